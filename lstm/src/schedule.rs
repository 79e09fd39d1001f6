//! Learning rates that change from step to step, by Keras's formulas.
//!
//! Keras computes a schedule in `f32`, whatever the precision of the model, and so does this file,
//! in the same order of operations: a rate that differs in its seventh digit changes the sixth of
//! a weight.

use crate::error::{Error, Result};

/// The learning rate as a function of the steps taken.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Schedule {
    /// See [`ExponentialDecay`].
    ExponentialDecay(ExponentialDecay),
    /// See [`PiecewiseConstantDecay`].
    PiecewiseConstantDecay(PiecewiseConstantDecay),
    /// See [`PolynomialDecay`].
    PolynomialDecay(PolynomialDecay),
    /// See [`InverseTimeDecay`].
    InverseTimeDecay(InverseTimeDecay),
    /// See [`CosineDecay`].
    CosineDecay(CosineDecay),
    /// See [`CosineDecayRestarts`].
    CosineDecayRestarts(CosineDecayRestarts),
}

macro_rules! from_schedules {
    ($($schedule:ident),*) => {$(
        impl From<$schedule> for Schedule {
            fn from(schedule: $schedule) -> Self {
                Schedule::$schedule(schedule)
            }
        }
    )*};
}
from_schedules! {
    ExponentialDecay, PiecewiseConstantDecay, PolynomialDecay, InverseTimeDecay, CosineDecay,
    CosineDecayRestarts
}

/// `lr = lr₀ rⁿ`, with `n = step / decay_steps`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExponentialDecay {
    /// `lr₀`
    pub initial_learning_rate: f64,
    /// Steps after which the rate has fallen by `r` once.
    pub decay_steps: u64,
    /// r
    pub decay_rate: f64,
    /// Whether `n` is rounded down, so that the rate falls in steps.
    pub staircase: bool,
}

impl ExponentialDecay {
    /// A rate that falls smoothly.
    pub fn new(initial_learning_rate: f64, decay_steps: u64, decay_rate: f64) -> Self {
        ExponentialDecay { initial_learning_rate, decay_steps, decay_rate, staircase: false }
    }
}

/// `values[0]` up to and with step `boundaries[0]`, then `values[1]` up to and with
/// `boundaries[1]`, and so on.
#[derive(Clone, Debug, PartialEq)]
pub struct PiecewiseConstantDecay {
    /// The last steps of all values but the last one.
    pub boundaries: Vec<f64>,
    /// One more than there are boundaries.
    pub values: Vec<f64>,
}

impl PiecewiseConstantDecay {
    /// A rate that changes after each of the boundaries.
    pub fn new(boundaries: impl Into<Vec<f64>>, values: impl Into<Vec<f64>>) -> Self {
        PiecewiseConstantDecay { boundaries: boundaries.into(), values: values.into() }
    }
}

/// `lr = (lr₀ - lr₁)(1 - step / decay_steps)ᵖ + lr₁`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolynomialDecay {
    /// `lr₀`
    pub initial_learning_rate: f64,
    /// Steps until the end.
    pub decay_steps: u64,
    /// `lr₁`, 0.0001 in Keras.
    pub end_learning_rate: f64,
    /// p, one in Keras.
    pub power: f64,
    /// Whether it goes on in longer and longer decays, and does not stay at the end.
    pub cycle: bool,
}

impl PolynomialDecay {
    /// A rate that falls along a line to 0.0001.
    pub fn new(initial_learning_rate: f64, decay_steps: u64) -> Self {
        PolynomialDecay {
            initial_learning_rate,
            decay_steps,
            end_learning_rate: 0.0001,
            power: 1.0,
            cycle: false,
        }
    }
}

/// `lr = lr₀ / (1 + r n)`, with `n = step / decay_steps`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InverseTimeDecay {
    /// `lr₀`
    pub initial_learning_rate: f64,
    /// Steps in the unit of time.
    pub decay_steps: u64,
    /// r
    pub decay_rate: f64,
    /// Whether `n` is rounded down, so that the rate falls in steps.
    pub staircase: bool,
}

impl InverseTimeDecay {
    /// A rate that falls smoothly.
    pub fn new(initial_learning_rate: f64, decay_steps: u64, decay_rate: f64) -> Self {
        InverseTimeDecay { initial_learning_rate, decay_steps, decay_rate, staircase: false }
    }
}

/// Half a cosine from `lr₀` down to `α lr₀` (I. Loshchilov and F. Hutter, *SGDR: Stochastic
/// Gradient Descent with Warm Restarts*, 2017); with a `warmup_target`, a line from `lr₀` up to the
/// target, and then half a cosine from there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CosineDecay {
    /// `lr₀`
    pub initial_learning_rate: f64,
    /// Steps from the top to the bottom.
    pub decay_steps: u64,
    /// α, zero in Keras.
    pub alpha: f64,
    /// Where the cosine starts, if there is a line before it; there is none in Keras.
    pub warmup_target: Option<f64>,
    /// Steps along the line, zero in Keras.
    pub warmup_steps: u64,
}

impl CosineDecay {
    /// A rate that falls to zero.
    pub fn new(initial_learning_rate: f64, decay_steps: u64) -> Self {
        CosineDecay {
            initial_learning_rate,
            decay_steps,
            alpha: 0.0,
            warmup_target: None,
            warmup_steps: 0,
        }
    }
}

/// Half cosines again and again, each `t_mul` times as long and from `m_mul` times as high as the
/// one before (I. Loshchilov and F. Hutter, 2017).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CosineDecayRestarts {
    /// The top of the first.
    pub initial_learning_rate: f64,
    /// The steps of the first.
    pub first_decay_steps: u64,
    /// 2 in Keras.
    pub t_mul: f64,
    /// 1 in Keras.
    pub m_mul: f64,
    /// The bottom, as a part of the top of the first; zero in Keras.
    pub alpha: f64,
}

impl CosineDecayRestarts {
    /// Rates that fall to zero, and start again at the top.
    pub fn new(initial_learning_rate: f64, first_decay_steps: u64) -> Self {
        CosineDecayRestarts {
            initial_learning_rate,
            first_decay_steps,
            t_mul: 2.0,
            m_mul: 1.0,
            alpha: 0.0,
        }
    }
}

impl Schedule {
    /// The name of the class in Keras.
    pub fn class(&self) -> &'static str {
        match self {
            Schedule::ExponentialDecay(_) => "ExponentialDecay",
            Schedule::PiecewiseConstantDecay(_) => "PiecewiseConstantDecay",
            Schedule::PolynomialDecay(_) => "PolynomialDecay",
            Schedule::InverseTimeDecay(_) => "InverseTimeDecay",
            Schedule::CosineDecay(_) => "CosineDecay",
            Schedule::CosineDecayRestarts(_) => "CosineDecayRestarts",
        }
    }

    /// The learning rate of the step after `steps` others, as near as Keras's `f32` gets to it.
    pub fn at(&self, steps: u64) -> f64 {
        let step = steps as f32;
        let rate = match self {
            Schedule::ExponentialDecay(decay) => decay.at(step),
            Schedule::PiecewiseConstantDecay(decay) => decay.at(steps),
            Schedule::PolynomialDecay(decay) => decay.at(step),
            Schedule::InverseTimeDecay(decay) => decay.at(step),
            Schedule::CosineDecay(decay) => decay.at(step),
            Schedule::CosineDecayRestarts(decay) => decay.at(step),
        };
        f64::from(rate)
    }

    pub(crate) fn check(&self) -> Result<()> {
        let what = |setting: &str| format!("{setting} of {}", self.class());
        let steps = |name: &str, steps: u64| match steps {
            0 => Err(Error::invalid(what(name), "0 is not positive")),
            _ => Ok(()),
        };
        let finite = |numbers: &[(&str, f64)]| match numbers.iter().find(|(_, x)| !x.is_finite()) {
            Some((name, x)) => Err(Error::invalid(what(name), format!("{x} is not finite"))),
            None => Ok(()),
        };
        let positive = |name: &str, x: f64| match x > 0.0 {
            true => Ok(()),
            false => Err(Error::invalid(what(name), format!("{x} is not positive"))),
        };
        let initial = "initial_learning_rate";
        match self {
            Schedule::ExponentialDecay(decay) => {
                steps("decay_steps", decay.decay_steps)?;
                let rate = ("decay_rate", decay.decay_rate);
                finite(&[(initial, decay.initial_learning_rate), rate])
            }
            Schedule::PiecewiseConstantDecay(PiecewiseConstantDecay { boundaries, values }) => {
                if boundaries.is_empty() || values.len() != boundaries.len() + 1 {
                    let (values, boundaries) = (values.len(), boundaries.len());
                    let why = format!(
                        "expected one more than there are boundaries, and one boundary at least; \
                         found {values} for {boundaries}"
                    );
                    return Err(Error::invalid(what("values"), why));
                }
                if !boundaries.is_sorted_by(|a, b| a < b) {
                    return Err(Error::invalid(what("boundaries"), "they must rise"));
                }
                values.iter().try_for_each(|&value| finite(&[("values", value)]))
            }
            Schedule::PolynomialDecay(decay) => {
                steps("decay_steps", decay.decay_steps)?;
                let end = ("end_learning_rate", decay.end_learning_rate);
                finite(&[(initial, decay.initial_learning_rate), end, ("power", decay.power)])
            }
            Schedule::InverseTimeDecay(decay) => {
                steps("decay_steps", decay.decay_steps)?;
                let rate = ("decay_rate", decay.decay_rate);
                finite(&[(initial, decay.initial_learning_rate), rate])
            }
            Schedule::CosineDecay(decay) => {
                steps("decay_steps", decay.decay_steps)?;
                let target = ("warmup_target", decay.warmup_target.unwrap_or(0.0));
                finite(&[(initial, decay.initial_learning_rate), ("alpha", decay.alpha), target])
            }
            Schedule::CosineDecayRestarts(decay) => {
                steps("first_decay_steps", decay.first_decay_steps)?;
                positive("t_mul", decay.t_mul)?;
                finite(&[
                    (initial, decay.initial_learning_rate),
                    ("alpha", decay.alpha),
                    ("t_mul", decay.t_mul),
                    ("m_mul", decay.m_mul),
                ])
            }
        }
    }
}

impl ExponentialDecay {
    fn at(&self, step: f32) -> f32 {
        let n = step / self.decay_steps as f32;
        let n = if self.staircase { n.floor() } else { n };
        self.initial_learning_rate as f32 * (self.decay_rate as f32).powf(n)
    }
}

impl PiecewiseConstantDecay {
    fn at(&self, steps: u64) -> f32 {
        // A boundary becomes an integer, like the steps.
        let before = |boundary: &&f64| steps as i64 > **boundary as i64;
        let at = self.boundaries.iter().take_while(before).count();
        self.values[at] as f32
    }
}

impl PolynomialDecay {
    fn at(&self, step: f32) -> f32 {
        let decay_steps = self.decay_steps as f32;
        let (step, decay_steps) = match self.cycle {
            true if step == 0.0 => (step, decay_steps),
            true => (step, decay_steps * (step / decay_steps).ceil()),
            false => (step.min(decay_steps), decay_steps),
        };
        let end = self.end_learning_rate as f32;
        let left = (1.0 - step / decay_steps).powf(self.power as f32);
        (self.initial_learning_rate as f32 - end) * left + end
    }
}

impl InverseTimeDecay {
    fn at(&self, step: f32) -> f32 {
        let n = step / self.decay_steps as f32;
        let n = if self.staircase { n.floor() } else { n };
        self.initial_learning_rate as f32 / (1.0 + self.decay_rate as f32 * n)
    }
}

impl CosineDecay {
    fn at(&self, step: f32) -> f32 {
        let initial = self.initial_learning_rate as f32;
        let decay_steps = self.decay_steps as f32;
        let Some(target) = self.warmup_target else {
            return self.decayed(step.min(decay_steps), initial);
        };
        let (target, warmup_steps) = (target as f32, self.warmup_steps as f32);
        let step = step.min(decay_steps + warmup_steps);
        if step < warmup_steps {
            (target - initial) * (step / warmup_steps) + initial
        } else {
            self.decayed(step - warmup_steps, target)
        }
    }

    fn decayed(&self, step: f32, from: f32) -> f32 {
        let done = step / self.decay_steps as f32;
        let cosine = 0.5 * (1.0 + (std::f32::consts::PI * done).cos());
        // In Python, and so in `f64`.
        let rest = (1.0 - self.alpha) as f32;
        from * (rest * cosine + self.alpha as f32)
    }
}

impl CosineDecayRestarts {
    fn at(&self, step: f32) -> f32 {
        let done = step / self.first_decay_steps as f32;
        let (t_mul, m_mul, alpha) = (self.t_mul as f32, self.m_mul as f32, self.alpha as f32);
        let (restarts, done) = if t_mul == 1.0 {
            (done.floor(), done - done.floor())
        } else {
            let restarts = ((1.0 - done * (1.0 - t_mul)).ln() / t_mul.ln()).floor();
            let longer = t_mul.powf(restarts);
            (restarts, (done - (1.0 - longer) / (1.0 - t_mul)) / longer)
        };
        let wave = 1.0 + (std::f32::consts::PI * done).cos();
        let cosine = 0.5 * m_mul.powf(restarts) * wave;
        self.initial_learning_rate as f32 * ((1.0 - alpha) * cosine + alpha)
    }
}
