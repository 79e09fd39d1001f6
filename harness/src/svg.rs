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

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
