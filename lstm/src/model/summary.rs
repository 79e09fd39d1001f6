//! The text of `summary()`: what Keras prints, character for character, without its colours.
//!
//! Two rules meet in the widths of the columns. Keras gives every column a share of the line
//! length. The table that it hands them to, that of the Python package rich, adds a space on both
//! sides of each, finds itself too wide with that and with its borders, and takes the excess off
//! all columns evenly. A cell that is still too wide is broken between words, and a word that is
//! too wide for a line ends in `…`. What is wider than the console is cut off.
//!
//! A character is taken to be one column wide. Where Keras refuses a line length that would leave
//! a column less than four, the next one that it accepts is taken.

/// Parameters, and the memory they take.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) params: usize,
    pub(crate) bytes: usize,
}

/// One row of the table: a layer.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// The kind of layer: `LSTM`.
    pub(crate) class: String,
    /// As Keras writes it: `(None, 4)`, or `?` where it is not known.
    pub(crate) output_shape: String,
    /// The number of parameters; `None` while the layer is not built.
    pub(crate) params: Option<usize>,
    /// The tensors it reads: `lstm[0][0], lstm[0][1]`. Empty where there are none.
    pub(crate) connected_to: String,
}

/// What a summary shows.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    /// The name of the model.
    pub(crate) model: String,
    pub(crate) rows: Vec<Row>,
    /// Whether there is a column of connections: where the model is not a chain of layers.
    pub(crate) connections: bool,
    pub(crate) trainable: Count,
    pub(crate) non_trainable: Count,
    /// The state of the optimizer, once it has one.
    pub(crate) optimizer: Option<Count>,
}

/// A column of the table: its header, and where it ends as a part of the line length.
struct Column(&'static str, f64, Align);

#[derive(Clone, Copy, PartialEq)]
enum Align {
    Left,
    Right,
}

const CHAIN: [Column; 3] = [
    Column("Layer (type)", 0.45, Align::Left),
    Column("Output Shape", 0.80, Align::Left),
    Column("Param #", 1.0, Align::Right),
];
const GRAPH: [Column; 4] = [
    Column("Layer (type)", 0.3, Align::Left),
    Column("Output Shape", 0.56, Align::Left),
    Column("Param #", 0.74, Align::Right),
    Column("Connected to", 1.0, Align::Left),
];

impl Summary {
    /// The text, which ends with a line break, for a console that is `columns` wide.
    ///
    /// `line_length` is the width of the table. `None` is what Keras takes: 88, or 108 with
    /// connections, but four less than the console at most.
    pub(crate) fn render(&self, line_length: Option<usize>, columns: usize) -> String {
        let (layout, longest) = if self.connections { (&GRAPH[..], 108) } else { (&CHAIN[..], 88) };
        let line_length = line_length
            .filter(|&length| length > 0)
            .unwrap_or(longest.min(columns.saturating_sub(4)));
        let table = Table { layout, widths: widths(layout, line_length) };

        let mut lines = wrap(&format!("Model: \"{}\"", self.model), columns, Long::Broken);
        lines.extend(table.lines(&self.rows));
        lines.extend(self.counts().flat_map(|line| wrap(&line, columns, Long::Broken)));
        lines.iter().flat_map(|line| line.chars().take(columns).chain(['\n'])).collect()
    }

    /// The lines under the table. Keras counts the state of the optimizer into the total.
    fn counts(&self) -> impl Iterator<Item = String> {
        let parts = [Some(self.trainable), Some(self.non_trainable), self.optimizer];
        let total = parts.iter().flatten().fold(Count::default(), |total, part| Count {
            params: total.params + part.params,
            bytes: total.bytes + part.bytes,
        });
        let names = ["Trainable", "Non-trainable", "Optimizer"];
        let parts = names.into_iter().zip(parts).filter_map(|(name, part)| Some((name, part?)));
        std::iter::once(("Total", total)).chain(parts).map(|(name, count)| {
            format!(" {name} params: {} ({})", thousands(count.params), memory(count.bytes))
        })
    }
}

/// The widths of the columns, with their padding of a space on both sides.
fn widths(layout: &[Column], line_length: usize) -> Vec<usize> {
    let (line_length, shares) = (line_length..)
        .map(|length| (length, shares(layout, length)))
        .find(|(_, shares)| shares.iter().all(|&share| share >= 4))
        .expect("a long enough line has room for every column");
    let borders = layout.len() + 1;
    let padded: Vec<usize> = shares.iter().map(|share| share + 2).collect();
    let excess = padded.iter().sum::<usize>() - (line_length - borders);
    take_off(excess, padded)
}

/// Keras's part of the rule: the columns' shares of the line.
fn shares(layout: &[Column], line_length: usize) -> Vec<usize> {
    let mut start = 0;
    layout
        .iter()
        .map(|Column(_, end, _)| {
            let end = (end * line_length as f64) as usize;
            end - std::mem::replace(&mut start, end)
        })
        .collect()
}

/// rich's part of the rule: every column gives an even part of what the ones before it left over,
/// rounded, a half to the even number.
fn take_off(mut excess: usize, mut widths: Vec<usize>) -> Vec<usize> {
    let count = widths.len();
    for (index, width) in widths.iter_mut().enumerate() {
        let even = excess as f64 / (count - index) as f64;
        let part = (even.round_ties_even() as usize).min(*width);
        *width -= part;
        excess -= part;
    }
    widths
}

struct Table {
    layout: &'static [Column],
    widths: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Header,
    Body,
}

impl Table {
    fn lines(&self, rows: &[Row]) -> Vec<String> {
        let header = self.layout.iter().map(|column| column.0.to_owned()).collect();
        let mut lines = vec![self.rule(['┏', '━', '┳', '┓'])];
        lines.extend(self.row(header, Part::Header));
        lines.push(self.rule(['┡', '━', '╇', '┩']));
        for (index, row) in rows.iter().enumerate() {
            if index > 0 {
                lines.push(self.rule(['├', '─', '┼', '┤']));
            }
            lines.extend(self.row(row.cells(), Part::Body));
        }
        lines.push(self.rule(['└', '─', '┴', '┘']));
        lines
    }

    fn rule(&self, [left, line, cross, right]: [char; 4]) -> String {
        let columns: Vec<String> =
            self.widths.iter().map(|&width| String::from_iter(vec![line; width])).collect();
        format!("{left}{}{right}", columns.join(&cross.to_string()))
    }

    /// The lines of one row; as many as its highest cell needs.
    fn row(&self, cells: Vec<String>, part: Part) -> Vec<String> {
        let cells: Vec<Vec<String>> = cells
            .iter()
            .zip(&self.widths)
            .map(|(text, width)| wrap(text, width - 2, Long::Whole))
            .collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        (0..height).map(|line| self.line(&cells, line, height, part)).collect()
    }

    /// One line of a row. A header stands at the bottom of its cell, all else at the top.
    fn line(&self, cells: &[Vec<String>], line: usize, height: usize, part: Part) -> String {
        let edge = if part == Part::Header { '┃' } else { '│' };
        let mut out = String::from(edge);
        for ((cell, column), width) in cells.iter().zip(self.layout).zip(&self.widths) {
            let above = if part == Part::Header { height - cell.len() } else { 0 };
            let text = line.checked_sub(above).and_then(|line| cell.get(line));
            let text = shorten(text.map_or("", String::as_str), width - 2);
            let padding = " ".repeat(width - 2 - text.chars().count());
            let (left, right) = match column.2 {
                Align::Left => ("", &padding[..]),
                Align::Right => (&padding[..], ""),
            };
            out.extend([" ", left, &text, right, " "]);
            out.push(edge);
        }
        out
    }
}

impl Row {
    fn cells(&self) -> Vec<String> {
        let params = self.params.map_or("0 (unbuilt)".to_owned(), thousands);
        let connected_to = if self.connected_to.is_empty() { "-" } else { &self.connected_to };
        let name = format!("{} ({})", self.name, self.class);
        vec![name, self.output_shape.clone(), params, connected_to.to_owned()]
    }
}

/// What becomes of a word that is longer than a line.
#[derive(Clone, Copy, PartialEq)]
enum Long {
    /// It has a line of its own, which is too long.
    Whole,
    /// It goes on in the next line.
    Broken,
}

/// `text` in lines that end where the next word would end beyond `width`, which spaces may.
fn wrap(text: &str, width: usize, long: Long) -> Vec<String> {
    if width == 0 {
        return vec![];
    }
    let mut lines = vec![String::new()];
    let mut taken = 0;
    for word in words(text) {
        let length = word.trim_end().chars().count();
        let full = taken > 0 && taken + length > width;
        let piece = if long == Long::Broken && length > width { width } else { usize::MAX };
        for (index, letter) in word.chars().enumerate() {
            if (index == 0 && full) || (index > 0 && index % piece == 0) {
                lines.push(String::new());
                taken = 0;
            }
            lines.last_mut().expect("not empty").push(letter);
            taken += 1;
        }
    }
    lines
}

/// The words of `text` with the spaces behind them; the first also has those before it.
fn words(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let word = text.trim_start();
        let behind = word.find(' ').map_or("", |end| word[end..].trim_start());
        let (word, rest) = text.split_at(text.len() - behind.len());
        text = rest;
        (!word.is_empty()).then_some(word)
    })
}

/// `line` with `…` at its end if it is longer than `width`.
fn shorten(line: &str, width: usize) -> String {
    let line = line.trim_end();
    if line.chars().count() <= width {
        return line.to_owned();
    }
    line.chars().take(width - 1).chain(['…']).collect()
}

/// `13,704,976`
fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `52.28 MB`, where an MB is 1024² bytes.
fn memory(bytes: usize) -> String {
    let (mut size, mut unit) = (bytes as f64, "B");
    for larger in ["KB", "MB", "GB", "TB", "PB"] {
        if size < 1024.0 {
            break;
        }
        (size, unit) = (size / 1024.0, larger);
    }
    format!("{size:.2} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `f32` layers like `lstm LSTM|(None, 4)|144|lstm[0][0]`; the last two may be left out.
    fn summary(model: &str, rows: &[&str]) -> Summary {
        let rows = rows.iter().map(|row| {
            let mut parts = row.split('|').map(str::to_owned);
            let mut next = || parts.next().unwrap_or_default();
            let (layer, output_shape, params, connected_to) = (next(), next(), next(), next());
            let (name, class) = layer.split_once(' ').map(|(a, b)| (a.into(), b.into())).unwrap();
            Row { name, class, output_shape, params: params.parse().ok(), connected_to }
        });
        let rows: Vec<Row> = rows.collect();
        let params = rows.iter().filter_map(|row| row.params).sum();
        let connections = rows.iter().any(|row| !row.connected_to.is_empty());
        let trainable = Count { params, bytes: 4 * params };
        let (model, non_trainable) = (model.to_owned(), Count::default());
        Summary { model, rows, connections, trainable, non_trainable, optimizer: None }
    }

    macro_rules! check {
        ($summary:expr, $($fixture:literal: $line_length:expr, $columns:expr);+) => {
            $(assert_eq!(
                $summary.render($line_length, $columns),
                include_str!(concat!("../../../harness/fixtures/summaries/", $fixture, ".txt"))
            );)+
        };
    }

    #[test]
    fn the_text_is_that_of_keras() {
        let mut model = summary("sequential", &["lstm LSTM|(None, 3)|144"]);
        check!(model, "program1": None, 80; "program1_console_160": None, 160;
            "program1_line_length_60": Some(60), 80; "program1_line_length_120": Some(120), 80;
            "program1_line_length_120_console_160": Some(120), 160);
        let input = "input_layer InputLayer|(None, 4, 8)|0";
        check!(summary("functional", &[input, "lstm LSTM|(None, 3)|144"]), "program2": None, 80);
        let dense = ["dense Dense|(None, 10)|110", "dense_1 Dense|(None, 1)|11"];
        model = summary("sequential", &["lstm LSTM|(None, 10)|480", dense[0], dense[1]]);
        check!(model, "program4": None, 80);
        model.optimizer = Some(Count { params: 1204, bytes: 1203 * 4 + 8 });
        check!(model, "program4_fitted": None, 80);
        model = summary("sequential", &["lstm LSTM|?", "dense Dense|?"]);
        check!(model, "sequential_unbuilt": None, 80);
        let stack = ["lstm LSTM|(None, None, 32)|4480", "lstm_1 LSTM|(None, None, 16)|3136"];
        model = summary("sequential", &[stack[0], stack[1], "dense Dense|(None, None, 1)|17"]);
        check!(model, "sequential_stack": None, 80);
        let first = "a_first_layer_whose_name_is_far_too_long LSTM|(None, 100, 1024)|5427200";
        let second = "second_layer_with_a_long_name LSTM|(None, 512)|3147776";
        model = summary("sequential", &[first, second, "vocabulary Dense|(None, 10000)|5130000"]);
        check!(model, "sequential_large": None, 80);
        let inputs = "input_layer[0][0], input_layer_1[0][0], input_layer_2[0][0]";
        let states =
            ["input_layer_1 InputLayer|(None, 6)|0", "input_layer_2 InputLayer|(None, 6)|0"];
        let lstm = format!("lstm LSTM|[(None, 5, 6), (None, 6), (None, 6)]|240|{inputs}");
        let ends =
            ["lstm_1 LSTM|(None, 4)|176|lstm[0][0]", "dense Dense|(None, 2)|10|lstm_1[0][0]"];
        let input = "input_layer InputLayer|(None, 5, 3)|0";
        model = summary("functional", &[input, states[0], states[1], &lstm, ends[0], ends[1]]);
        check!(model, "functional_states": None, 80; "functional_states_console_160": None, 160);
    }
}
