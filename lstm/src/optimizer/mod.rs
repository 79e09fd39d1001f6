//! Optimizers, by Keras's formulas: a [`Rule`] for how weights follow their gradients, and around
//! it what all of them can do. One pass over all weights of a model is one loop in vectors.
//!
//! The order of a step is Keras's: the gradients of several steps are averaged, clipped, the
//! weights decay, follow the rule, and their moving average follows them.

mod adadelta;
mod adagrad;
mod adam;
mod adamax;
mod clip;
mod ftrl;
mod lamb;
mod lion;
mod nadam;
mod rmsprop;
mod rule;
mod sgd;
mod state;
mod sweep;
#[cfg(test)]
mod tests;

use std::str::FromStr;

pub use adadelta::Adadelta;
pub use adagrad::Adagrad;
pub use adam::{Adam, AdamW};
pub use adamax::Adamax;
pub use ftrl::Ftrl;
pub use lamb::Lamb;
pub use lion::Lion;
pub use nadam::Nadam;
pub use rmsprop::RMSprop;
pub use rule::Rule;
pub use sgd::SGD;

pub(crate) use rule::rounded;
pub(crate) use state::{Counters, State};

use crate::error::{Error, Result};
use crate::schedule::Schedule;
use clip::Clip;

/// How weights follow their gradients: a rule such as [`Adam`], and what all rules share.
///
/// ```
/// use lstm::{Adam, ExponentialDecay, Optimizer};
///
/// let optimizer = Optimizer::from(Adam::default())
///     .schedule(ExponentialDecay::new(0.01, 1000, 0.9))
///     .clipnorm(1.0);
/// # let _ = optimizer;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer {
    pub(crate) rule: Rule,
    pub(crate) name: Option<String>,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) weight_decay: Option<f64>,
    pub(crate) clipnorm: Option<f64>,
    pub(crate) global_clipnorm: Option<f64>,
    pub(crate) clipvalue: Option<f64>,
    pub(crate) averaging: Averaging,
    pub(crate) loss_scale_factor: Option<f64>,
    pub(crate) gradient_accumulation_steps: Option<u64>,
}

/// Whether and how a moving average of the weights is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Averaging {
    pub(crate) use_ema: bool,
    pub(crate) ema_momentum: f64,
    pub(crate) ema_overwrite_frequency: Option<u64>,
}

impl Default for Averaging {
    fn default() -> Self {
        Averaging { use_ema: false, ema_momentum: 0.99, ema_overwrite_frequency: None }
    }
}

impl Optimizer {
    fn of(rule: Rule) -> Self {
        Optimizer {
            rule,
            name: None,
            schedule: None,
            weight_decay: None,
            clipnorm: None,
            global_clipnorm: None,
            clipvalue: None,
            averaging: Averaging::default(),
            loss_scale_factor: None,
            gradient_accumulation_steps: None,
        }
    }

    /// Its name in descriptions; the class in lower case unless set.
    pub fn name(self, name: impl Into<String>) -> Self {
        Optimizer { name: Some(name.into()), ..self }
    }

    /// A learning rate that changes from step to step, in the place of the rule's own.
    pub fn schedule(self, schedule: impl Into<Schedule>) -> Self {
        Optimizer { schedule: Some(schedule.into()), ..self }
    }

    /// `w ← w - lr wd w` before each step: decay apart from the gradient.
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        Optimizer { weight_decay: Some(weight_decay), ..self }
    }

    /// The gradient of each weight is scaled down to this norm where it is longer. At most one kind
    /// of clipping can be set; zero is none.
    pub fn clipnorm(self, clipnorm: f64) -> Self {
        Optimizer { clipnorm: Some(clipnorm), ..self }
    }

    /// The gradients of all weights together are scaled down to this norm where it is longer.
    pub fn global_clipnorm(self, global_clipnorm: f64) -> Self {
        Optimizer { global_clipnorm: Some(global_clipnorm), ..self }
    }

    /// Every number in a gradient is brought between plus and minus this value.
    pub fn clipvalue(self, clipvalue: f64) -> Self {
        Optimizer { clipvalue: Some(clipvalue), ..self }
    }

    /// Whether a moving average of the weights, `a ← μ a + (1 - μ) w`, is kept, and takes their
    /// place at the end of `fit`.
    pub fn use_ema(mut self, use_ema: bool) -> Self {
        self.averaging.use_ema = use_ema;
        self
    }

    /// μ of the moving average; 0.99 unless set.
    pub fn ema_momentum(mut self, ema_momentum: f64) -> Self {
        self.averaging.ema_momentum = ema_momentum;
        self
    }

    /// After how many steps, each time, the moving average takes the place of the weights; at the
    /// end alone unless set.
    pub fn ema_overwrite_frequency(mut self, ema_overwrite_frequency: u64) -> Self {
        self.averaging.ema_overwrite_frequency = Some(ema_overwrite_frequency);
        self
    }

    /// A factor that the loss is multiplied by, and the gradients are divided by again, against
    /// underflow between the two.
    pub fn loss_scale_factor(self, loss_scale_factor: f64) -> Self {
        Optimizer { loss_scale_factor: Some(loss_scale_factor), ..self }
    }

    /// After how many steps, each time, the weights follow the mean of the gradients since. A
    /// schedule counts every step, the rule and the moving average one in so many.
    pub fn gradient_accumulation_steps(self, gradient_accumulation_steps: u64) -> Self {
        Optimizer { gradient_accumulation_steps: Some(gradient_accumulation_steps), ..self }
    }

    /// The rule.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Checks that every setting is in its range, and fits the others.
    pub(crate) fn check(&self) -> Result<()> {
        self.rule.check()?;
        if let Some(schedule) = &self.schedule {
            schedule.check()?;
        }
        let wrong =
            |what: &str, why: String| Err(Error::invalid(format!("optimizer's {what}"), why));
        if let (Rule::AdamW(_), None) = (&self.rule, self.weight_decay) {
            return wrong("weight_decay", "AdamW has one; without it is Adam".to_owned());
        }
        let clips = [
            ("clipnorm", self.clipnorm),
            ("clipvalue", self.clipvalue),
            ("global_clipnorm", self.global_clipnorm),
        ];
        let set = || clips.iter().filter(|(_, clip)| clip.is_some());
        if set().count() > 1 {
            let names: Vec<_> = set().map(|(name, _)| *name).collect();
            return wrong(&names.join(" and "), "only one of them can be set".to_owned());
        }
        for (name, x) in clips.into_iter().chain([("weight_decay", self.weight_decay)]) {
            rule::within(name, x.unwrap_or(0.0), 0.0..f64::INFINITY)?;
        }
        if let Some(scale) = self.loss_scale_factor
            && !(scale > 0.0 && scale.is_finite())
        {
            return wrong("loss_scale_factor", format!("{scale} is not positive"));
        }
        if let Some(steps @ 0..2) = self.gradient_accumulation_steps {
            return wrong("gradient_accumulation_steps", format!("{steps} is not 2 or more"));
        }
        if self.averaging.use_ema {
            rule::at_most_one("ema_momentum", self.averaging.ema_momentum)?;
            if self.averaging.ema_overwrite_frequency == Some(0) {
                return wrong("ema_overwrite_frequency", "0 is not 1 or more".to_owned());
            }
        }
        Ok(())
    }

    /// How gradients are clipped; zero is not at all.
    fn clip(&self) -> Option<Clip> {
        let positive = |clip: Option<f64>| clip.filter(|&clip| clip > 0.0);
        let norm = positive(self.clipnorm).map(Clip::Norm);
        let global = || positive(self.global_clipnorm).map(Clip::GlobalNorm);
        norm.or_else(global).or_else(|| positive(self.clipvalue).map(Clip::Value))
    }
}

macro_rules! from_rules {
    ($($rule:ident),*) => {$(
        impl From<$rule> for Optimizer {
            fn from(rule: $rule) -> Self {
                Optimizer::of(Rule::$rule(rule))
            }
        }
    )*};
}
from_rules! { SGD, RMSprop, Adam, Nadam, Adamax, Adagrad, Adadelta, Ftrl, Lion, Lamb }

impl From<AdamW> for Optimizer {
    fn from(adam_w: AdamW) -> Self {
        let AdamW { learning_rate, weight_decay, beta_1, beta_2, epsilon, amsgrad } = adam_w;
        let adam = Adam { learning_rate, beta_1, beta_2, epsilon, amsgrad };
        Optimizer::of(Rule::AdamW(adam)).weight_decay(weight_decay)
    }
}

impl FromStr for Optimizer {
    type Err = Error;

    /// The optimizer of a class with Keras's defaults: `"adam"`, in letters of either case. Keras
    /// itself does not know `lamb` by its name.
    fn from_str(name: &str) -> Result<Self> {
        Ok(match &name.to_lowercase()[..] {
            "sgd" => SGD::default().into(),
            "rmsprop" => RMSprop::default().into(),
            "adam" => Adam::default().into(),
            "adamw" => AdamW::default().into(),
            "nadam" => Nadam::default().into(),
            "adamax" => Adamax::default().into(),
            "adagrad" => Adagrad::default().into(),
            "adadelta" => Adadelta::default().into(),
            "ftrl" => Ftrl::default().into(),
            "lion" => Lion::default().into(),
            "lamb" => Lamb::default().into(),
            _ => return Err(Error::unsupported("optimizer", name)),
        })
    }
}
