//! The text of `summary()`: what Keras prints, character for character, without its colours.
//!
//! Two rules meet in the widths of the columns. Keras gives every column a share of the line
//! length. The table that it hands them to, that of the Python package rich, adds a space on both
//! sides of each, finds itself too wide with that and with its borders, and takes the excess off
//! all columns evenly. A cell that is still too wide is broken between words, and a word that is
//! too wide for a line ends in `…`. What is wider than the console is cut off.
//!
//! Every character counts as one wide. Where Keras refuses a line length because a column would
//! get less than four characters of it, the next one that it accepts is taken.

/// Parameters, and the memory they take.
#[derive(Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) params: usize,
    pub(crate) bytes: usize,
}

/// One row of the table: a layer.
pub(crate) struct Row {
    pub(crate) name: String,
    /// The kind of layer: `LSTM`.
    pub(crate) class: String,
    /// As Keras writes it: `(None, 4)`.
    pub(crate) output_shape: String,
    /// The number of parameters.
    pub(crate) params: usize,
    /// The tensors it reads: `lstm[0][0], lstm[0][1]`. Empty where there are none.
    pub(crate) connected_to: String,
}

/// What a summary shows.
pub(crate) struct Summary {
    pub(crate) model: String,
    pub(crate) rows: Vec<Row>,
    /// Whether there is a column of connections: where the model is not a chain of layers.
    pub(crate) connections: bool,
    pub(crate) trainable: Count,
    pub(crate) non_trainable: Count,
    /// The state of the optimizer, once it has one.
    pub(crate) optimizer: Option<Count>,
}

/// The columns, and where each ends as a part of the line.
const HEADER: [&str; 4] = ["Layer (type)", "Output Shape", "Param #", "Connected to"];
const CHAIN: [f64; 3] = [0.45, 0.80, 1.0];
const GRAPH: [f64; 4] = [0.3, 0.56, 0.74, 1.0];
const PARAMS: usize = 2; // the column that is aligned to the right

impl Summary {
    /// The text for a console `columns` wide. `line_length` is the width of the table; `None` is
    /// what Keras takes: 88, or 108 with connections, but four less than the console at most.
    pub(crate) fn render(&self, line_length: Option<usize>, columns: usize) -> String {
        let (ends, longest) = if self.connections { (&GRAPH[..], 108) } else { (&CHAIN[..], 88) };
        let default = longest.min(columns.saturating_sub(4));
        let line_length = line_length.filter(|&length| length > 0).unwrap_or(default);
        let mut lines = wrap(&format!("Model: \"{}\"", self.model), columns, columns);
        lines.extend(self.table(&widths(ends, line_length)));
        lines.extend(self.counts().flat_map(|line| wrap(&line, columns, columns)));
        lines.iter().flat_map(|line| line.chars().take(columns).chain(['\n'])).collect()
    }

    fn table(&self, widths: &[usize]) -> Vec<String> {
        let mut lines = vec![rule(['┏', '━', '┳', '┓'], widths)];
        lines.extend(row(HEADER.map(str::to_owned), Part::Header, widths));
        lines.push(rule(['┡', '━', '╇', '┩'], widths));
        for (index, layer) in self.rows.iter().enumerate() {
            if index > 0 {
                lines.push(rule(['├', '─', '┼', '┤'], widths));
            }
            lines.extend(row(layer.cells(), Part::Body, widths));
        }
        lines.push(rule(['└', '─', '┴', '┘'], widths));
        lines
    }

    /// The lines under the table. The total includes the state of the optimizer.
    fn counts(&self) -> impl Iterator<Item = String> {
        let parts = [Some(self.trainable), Some(self.non_trainable), self.optimizer];
        let sum = |of: fn(&Count) -> usize| parts.iter().flatten().map(of).sum();
        let total = Count { params: sum(|part| part.params), bytes: sum(|part| part.bytes) };
        let counts = std::iter::once(Some(total)).chain(parts);
        let names = ["Total", "Trainable", "Non-trainable", "Optimizer"];
        names.into_iter().zip(counts).filter_map(|(name, count)| {
            let (params, memory) = (thousands(count?.params), memory(count?.bytes));
            Some(format!(" {name} params: {params} ({memory})"))
        })
    }
}

impl Row {
    fn cells(&self) -> [String; 4] {
        let name = format!("{} ({})", self.name, self.class);
        let connected_to = if self.connected_to.is_empty() { "-" } else { &self.connected_to };
        [name, self.output_shape.clone(), thousands(self.params), connected_to.to_owned()]
    }
}

/// The widths of the columns, with their padding of a space on both sides.
///
/// Of the excess that is left, each column gives what is an even part for it and those behind it,
/// rounded, a half to the even number.
fn widths(ends: &[f64], mut line_length: usize) -> Vec<usize> {
    while shares(ends, line_length).any(|share| share < 4) {
        line_length += 1;
    }
    let borders = ends.len() + 1;
    let mut widths: Vec<usize> = shares(ends, line_length).map(|share| share + 2).collect();
    let mut excess = widths.iter().sum::<usize>() + borders - line_length;
    for (columns, width) in (1..=widths.len()).rev().zip(&mut widths) {
        let part = (excess as f64 / columns as f64).round_ties_even() as usize;
        *width -= part;
        excess -= part;
    }
    widths
}

/// Keras's shares of the line.
fn shares(ends: &[f64], line_length: usize) -> impl Iterator<Item = usize> {
    let ends = ends.iter().map(move |end| (end * line_length as f64) as usize);
    ends.scan(0, |start, end| Some(end - std::mem::replace(start, end)))
}

fn rule([left, line, cross, right]: [char; 4], widths: &[usize]) -> String {
    let columns: Vec<_> = widths.iter().map(|&width| line.to_string().repeat(width)).collect();
    format!("{left}{}{right}", columns.join(&cross.to_string()))
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Header,
    Body,
}

/// The lines of one row: as many as its highest cell needs. A header is at the bottom of its cell,
/// all else at the top.
fn row(cells: [String; 4], part: Part, widths: &[usize]) -> Vec<String> {
    let cells = cells.iter().zip(widths).map(|(text, width)| wrap(text, width - 2, usize::MAX));
    let mut cells: Vec<Vec<String>> = cells.collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    for cell in &mut cells {
        let blank = height - cell.len();
        cell.resize(height, String::new());
        cell.rotate_right(if part == Part::Header { blank } else { 0 });
    }
    let edge = if part == Part::Header { "┃" } else { "│" };
    let line = |line: usize| {
        let texts = cells.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            let (text, width) = (shorten(&cell[line], width - 2), width - 2);
            if column == PARAMS { format!(" {text:>width$} ") } else { format!(" {text:<width$} ") }
        });
        format!("{edge}{}{edge}", texts.collect::<Vec<_>>().join(edge))
    };
    (0..height).map(line).collect()
}

/// `text` in lines that end where the next word would end beyond `width`, which spaces may. A word
/// that is longer than that goes on in the next line after every `piece` characters.
fn wrap(text: &str, width: usize, piece: usize) -> Vec<String> {
    if width == 0 {
        return vec![];
    }
    let mut lines = vec![String::new()];
    let mut taken = 0;
    for word in words(text) {
        let letters: Vec<char> = word.chars().collect();
        let length = word.trim_end().chars().count();
        let piece = if length > width { piece } else { letters.len() };
        for (index, piece) in letters.chunks(piece).enumerate() {
            if index > 0 || (taken > 0 && taken + length > width) {
                lines.push(String::new());
                taken = 0;
            }
            lines.last_mut().expect("not empty").extend(piece);
            taken += piece.len();
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
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
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

    /// Of `f32` layers like `lstm|LSTM|(None, 4)|144|; dense|Dense|(None, 1)|5|lstm[0][0]`.
    fn summary(model: &str, layers: &str) -> Summary {
        let row = |layer: &str| {
            let fields: Vec<String> = layer.split('|').map(str::to_owned).collect();
            let [name, class, output_shape, params, connected_to] = fields.try_into().unwrap();
            Row { name, class, output_shape, params: params.parse().unwrap(), connected_to }
        };
        let (model, rows) = (model.to_owned(), layers.split("; ").map(row).collect::<Vec<_>>());
        let params = rows.iter().map(|row| row.params).sum();
        let connections = rows.iter().any(|row| !row.connected_to.is_empty());
        let (trainable, non_trainable) = (Count { params, bytes: 4 * params }, Count::default());
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
        let lstm = summary("sequential", "lstm|LSTM|(None, 3)|144|");
        check!(lstm, "program1": None, 80; "program1_console_160": None, 160;
            "program1_line_length_60": Some(60), 80; "program1_line_length_120": Some(120), 80;
            "program1_line_length_120_console_160": Some(120), 160);
        let layers = "input_layer|InputLayer|(None, 4, 8)|0|; lstm|LSTM|(None, 3)|144|";
        check!(summary("functional", layers), "program2": None, 80);
        let layers = "lstm|LSTM|(None, 10)|480|; dense|Dense|(None, 10)|110|; \
                      dense_1|Dense|(None, 1)|11|";
        let mut fitted = summary("sequential", layers);
        check!(fitted, "program4": None, 80);
        fitted.optimizer = Some(Count { params: 1204, bytes: 1203 * 4 + 8 });
        check!(fitted, "program4_fitted": None, 80);
        let layers = "lstm|LSTM|(None, None, 32)|4480|; lstm_1|LSTM|(None, None, 16)|3136|; \
                      dense|Dense|(None, None, 1)|17|";
        check!(summary("sequential", layers), "sequential_stack": None, 80);
        let layers = "a_first_layer_whose_name_is_far_too_long|LSTM|(None, 100, 1024)|5427200|; \
                      second_layer_with_a_long_name|LSTM|(None, 512)|3147776|; \
                      vocabulary|Dense|(None, 10000)|5130000|";
        check!(summary("sequential", layers), "sequential_large": None, 80);
        let layers = "input_layer|InputLayer|(None, 5, 3)|0|; \
                      input_layer_1|InputLayer|(None, 6)|0|; input_layer_2|InputLayer|(None, 6)|0|; \
                      lstm|LSTM|[(None, 5, 6), (None, 6), (None, 6)]|240|\
                      input_layer[0][0], input_layer_1[0][0], input_layer_2[0][0]; \
                      lstm_1|LSTM|(None, 4)|176|lstm[0][0]; dense|Dense|(None, 2)|10|lstm_1[0][0]";
        check!(summary("functional", layers), "functional_states": None, 80;
            "functional_states_console_160": None, 160);
    }
}
