//! Pieces of plots, as text of an SVG.

use std::fmt::Write as _;

/// Colours that most people can tell apart (M. Okabe and K. Ito, 2002), then two greys.
pub const COLOURS: [&str; 10] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#b8a800",
    "#777777", "#aaaaaa",
];

/// A page of these sizes, up to what it shows; ends with `</svg>`.
pub fn open(width: f64, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" font-family=\"Helvetica, Arial, sans-serif\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    )
}

/// Text at a point: its start, middle or end, as `anchor` says.
pub fn text(
    out: &mut String,
    (x, y): (f64, f64),
    anchor: &str,
    size: &str,
    fill: &str,
    text: &str,
) {
    let text = escaped(text);
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"{anchor}\" font-size=\"{size}\" \
         fill=\"{fill}\">{text}</text>"
    );
}

/// A line from one point to another.
pub fn line(
    out: &mut String,
    (x1, y1): (f64, f64),
    (x2, y2): (f64, f64),
    (colour, stroke): (&str, f64),
) {
    let _ = writeln!(
        out,
        "<line x1=\"{x1:.1}\" x2=\"{x2:.1}\" y1=\"{y1:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" \
         stroke-width=\"{stroke}\"/>"
    );
}

/// A dot whose name shows when it is pointed at.
pub fn dot(out: &mut String, (x, y): (f64, f64), colour: &str, name: &str) {
    let name = escaped(name);
    let _ = writeln!(
        out,
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{colour}\" stroke=\"#fff\">\
         <title>{name}</title></circle>"
    );
}

/// A page with one chart. Points in it are between zero and one, from the lower left corner on.
#[derive(Clone, Debug)]
pub struct Chart(String);

impl Chart {
    const SIZE: (f64, f64) = (560.0, 300.0);
    const CORNER: (f64, f64) = (70.0, 80.0);
    const BOTTOM: f64 = Self::CORNER.1 + Self::SIZE.1;

    /// A page with a title, a note and the names of the axes.
    pub fn new((title, note): (&str, &str), (across, upwards): (&str, &str)) -> Self {
        let mut out = open(Self::CORNER.0 + Self::SIZE.0 + 40.0, Self::BOTTOM + 60.0);
        text(&mut out, (20.0, 30.0), "start", "17", "#111", title);
        text(&mut out, (20.0, 50.0), "start", "12", "#555", note);
        let (middle, _) = Self::at((0.5, 0.0));
        text(&mut out, (middle, Self::BOTTOM + 40.0), "middle", "12", "#333", across);
        let above = (Self::CORNER.0, Self::CORNER.1 - 10.0);
        text(&mut out, above, "start", "12", "#333", upwards);
        Chart(out)
    }

    /// The page.
    pub fn close(self) -> String {
        self.0 + "</svg>\n"
    }

    fn at((x, y): (f64, f64)) -> (f64, f64) {
        (Self::CORNER.0 + Self::SIZE.0 * x, Self::CORNER.1 + Self::SIZE.1 * (1.0 - y))
    }

    /// A line upwards, and its name.
    pub fn column(&mut self, x: f64, name: &str) {
        let (x, _) = Self::at((x, 0.0));
        line(&mut self.0, (x, Self::CORNER.1), (x, Self::BOTTOM), ("#ddd", 1.0));
        text(&mut self.0, (x, Self::BOTTOM + 16.0), "middle", "11", "#555", name);
    }

    /// Lines across up to the highest number, some at equal distances and one in black at one.
    pub fn rows(&mut self, high: f64, unit: &str) {
        let mut apart = 0.5;
        while high / apart > 10.0 {
            apart *= 10.0;
        }
        for row in 0..=(high / apart) as usize {
            let number = row as f64 * apart;
            let (x, y) = Self::at((0.0, number / high));
            let colour = if number == 1.0 { "#111" } else { "#ddd" };
            line(&mut self.0, (x, y), (x + Self::SIZE.0, y), (colour, 1.0));
            text(&mut self.0, (x - 8.0, y + 4.0), "end", "11", "#555", &format!("{number}{unit}"));
        }
    }

    /// Named dots, and a line through them.
    pub fn curve(&mut self, points: &[((f64, f64), String)], colour: &str) {
        let mut path = String::new();
        for &(point, _) in points {
            let (x, y) = Self::at(point);
            let _ = write!(path, "{x:.1},{y:.1} ");
        }
        let path = path.trim_end();
        let _ = writeln!(
            self.0,
            "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        );
        for (point, name) in points {
            dot(&mut self.0, Self::at(*point), colour, name);
        }
    }

    /// What a curve is of, in the upper right corner; the next one below.
    pub fn legend(&mut self, number: usize, colour: &str, name: &str) {
        let (x, y) = Self::at((1.0, 1.0));
        text(&mut self.0, (x, y + 16.0 + 16.0 * number as f64), "end", "12", colour, name);
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_few_rows_however_high_it_is() {
        for (high, rows) in [(1.6, 4), (4.9, 10), (5.1, 2), (120.0, 3), (1e6, 3)] {
            let mut chart = Chart::new(("", ""), ("", ""));
            chart.rows(high, "");
            let page = chart.close();
            assert_eq!(page.matches("<line").count(), rows, "{high}: {page}");
        }
    }
}
