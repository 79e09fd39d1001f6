//! What exact gradients cost in little memory: a training pass of an LSTM layer that keeps all it can
//! use, beside passes within budgets of bytes.

use std::time::Duration;

use kernels::Isa;
use lstm::Float;
use lstm::engine::{Call, Engine, Gradient, Gradients, Incoming, Options, Weights};

use crate::allocation::peak;
use crate::dtype::Dtype;
use crate::random::Random;
use crate::svg::{self, Chart};
use crate::table::short;
use crate::throughput::Shape;
use crate::timing::take_turns;

/// The passes take turns for about this long.
const BUDGET: Duration = Duration::from_secs(6);

/// Steps of the rows of a group, of a sequence that is short, but fills the blocks of matrix products.
const FEW_STEPS: usize = 4096;

/// Rows of a group, at most.
const GROUP: usize = 16;

/// A pass within so many bytes, and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// What it may keep.
    pub bytes: usize,
    /// The most memory that it held at a time, beside what a short sequence needs, too, where the allocator
    /// is [`Counting`](crate::allocation::Counting).
    pub peak: usize,
    /// The median of its times, in seconds.
    pub seconds: f64,
}

/// A layer with its data: the gradient of its last output comes in, that of its weights goes out.
#[derive(Debug)]
struct Layer<T> {
    shape: Shape,
    weights: Vec<T>,
    x: Vec<T>,
    dy: Vec<T>,
    grads: Vec<T>,
}

impl<T: Float> Layer<T> {
    fn new(shape: Shape) -> Self {
        let Shape { batch, steps, inputs, units } = shape;
        let mut random = Random::new(0);
        let weights = random.layer::<T>(inputs, units);
        Layer {
            shape,
            x: random.numbers(batch * steps * inputs, 1.0),
            dy: random.numbers(batch * units, 1.0),
            grads: vec![T::ZERO; weights.len()],
            weights,
        }
    }

    fn train(&mut self, engine: &mut Engine<T>) {
        let Shape { batch, steps, inputs, units } = self.shape;
        let call = Call {
            weights: Weights::cut(&self.weights, inputs, units),
            version: 1,
            x: &self.x,
            batch,
            steps,
            mask: None,
            dropout: None,
            initial: [None, None],
            training: true,
        };
        engine.forward(&call, None);
        self.grads.fill(T::ZERO);
        let incoming = Incoming { dy: Gradient::Last(&self.dy), states: [None, None] };
        let grads = Gradients::cut(&mut self.grads, inputs, units);
        engine.backward(&call, incoming, grads, None, [None, None]);
    }
}

/// Passes within all that a layer of a shape can use, half of it, and so on; the last within the least
/// that is enough. All have given the same bits.
///
/// # Panics
///
/// If they have not.
pub fn measure(dtype: Dtype, isa: Isa, shape: Shape) -> Vec<Pass> {
    match dtype {
        Dtype::F32 => timed(trained::<f32>(isa, shape)),
        Dtype::F64 => timed(trained::<f64>(isa, shape)),
    }
}

/// The same, not timed.
///
/// # Panics
///
/// As there.
pub fn held<T: Float>(isa: Isa, shape: Shape) -> Vec<Pass> {
    trained::<T>(isa, shape).into_iter().map(|(pass, _)| pass).collect()
}

/// A layer and its engine.
type Trained<T> = (Layer<T>, Engine<T>);

fn trained<T: Float>(isa: Isa, shape: Shape) -> Vec<(Pass, Trained<T>)> {
    let Shape { batch, steps, inputs, units } = shape;
    let engine = || Engine::<T>::new(isa, Options::new(inputs, units));
    let (all, least) = engine().bytes(batch, steps, [false; 2]);
    let halves = (0..usize::BITS).map(|halvings| all >> halvings);
    let budgets = halves.take_while(|&bytes| bytes > least).chain([least]);

    // Beside what grows with the steps there are packed weights and the blocks of matrix products.
    let short = Shape { steps: FEW_STEPS.div_ceil(batch.min(GROUP)).min(steps), ..shape };
    let mut layer = Layer::new(short);
    let fixed = peak(|| layer.train(&mut engine()));
    let fixed = fixed.saturating_sub(engine().bytes(batch, short.steps, [false; 2]).0);

    let mut passes: Vec<(Pass, Trained<T>)> = Vec::new();
    for bytes in budgets {
        let mut trained = (Layer::new(shape), engine());
        let held = peak(|| {
            trained.1.keep_within(Some(bytes));
            trained.0.train(&mut trained.1);
        });
        if let Some((_, (first, _))) = passes.first() {
            assert!(first.grads == trained.0.grads, "other gradients within {bytes} bytes");
        }
        let pass = Pass { bytes, peak: held.saturating_sub(fixed), seconds: 0.0 };
        passes.push((pass, trained));
    }
    passes
}

fn timed<T: Float>(passes: Vec<(Pass, Trained<T>)>) -> Vec<Pass> {
    let (mut passes, mut trained): (Vec<_>, Vec<_>) = passes.into_iter().unzip();
    let mut runs: Vec<_> =
        trained.iter_mut().map(|(layer, engine)| move || layer.train(engine)).collect();
    let mut runs: Vec<&mut dyn FnMut()> = runs.iter_mut().map(|run| run as _).collect();
    for (pass, timing) in passes.iter_mut().zip(take_turns(BUDGET, &mut runs)) {
        pass.seconds = timing.median;
    }
    passes
}

/// Time over memory, both as multiples of the pass that keeps everything, which is the first.
pub fn plot(passes: &[Pass], title: &str, note: &str) -> String {
    let whole = &passes[0];
    let points: Vec<(f64, f64, usize)> = passes
        .iter()
        .map(|pass| {
            let memory = pass.bytes as f64 / whole.bytes as f64;
            (memory, pass.seconds / whole.seconds, pass.peak)
        })
        .collect();
    let low = points.iter().fold(1.0, |low: f64, point| low.min(point.0));
    let high = points.iter().fold(1.5, |high: f64, point| high.max(point.1)) + 0.1;
    let across = |memory: f64| 1.0 - memory.ln() / (low / 1.2).ln().min(-0.1);
    let axes = ("memory kept for backward, of all that it can use", "time");
    let mut chart = Chart::new((title, note), axes);
    let halves = (0..60).map(|halvings| (halvings, across(0.5f64.powi(halvings))));
    for (halvings, x) in halves.take_while(|&(_, x)| x >= 0.0) {
        let name = if halvings == 0 { "1".to_owned() } else { format!("1/{}", 1u64 << halvings) };
        chart.column(x, &name);
    }
    chart.rows(high, "×");
    let name = |peak: usize, time: f64| {
        format!("{} MiB: {}×", short(peak as f64 / f64::from(1 << 20)), short(time))
    };
    let dots: Vec<_> = points
        .iter()
        .map(|&(memory, time, peak)| ((across(memory), time / high), name(peak, time)))
        .collect();
    chart.curve(&dots, svg::COLOURS[0]);
    chart.close()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_a_dot_for_each_pass() {
        let pass = |bytes, seconds| Pass { bytes, peak: bytes, seconds };
        let plot = plot(&[pass(1 << 20, 1.0), pass(1 << 18, 1.3), pass(9999, 1.4)], "a < b", "c");
        assert_eq!(plot.matches("<circle").count(), 3);
        assert!(plot.contains("a &lt; b") && plot.contains("1/64"), "{plot}");
        assert!(plot.starts_with("<svg") && plot.ends_with("</svg>\n"));
    }
}
