//! Schedules of learning rates.

use serde_json::{Value, json};

use super::fields::Fields;
use super::weights::object;
use crate::error::{Error, Result};
use crate::schedule::{
    CosineDecay, CosineDecayRestarts, ExponentialDecay, InverseTimeDecay, PiecewiseConstantDecay,
    PolynomialDecay, Schedule,
};

/// A schedule of any class.
pub(super) fn schedule(value: &Value) -> Result<Schedule> {
    let (class, mut fields) = Fields::of_class("learning_rate", value)?;
    let schedule = match class {
        "ExponentialDecay" => {
            let (initial, steps) = start(&mut fields, "decay_steps")?;
            let decay = ExponentialDecay::new(initial, steps, fields.need_number("decay_rate")?);
            ExponentialDecay { staircase: fields.flag("staircase", false)?, ..decay }.into()
        }
        "PiecewiseConstantDecay" => PiecewiseConstantDecay {
            boundaries: fields.numbers("boundaries")?,
            values: fields.numbers("values")?,
        }
        .into(),
        "PolynomialDecay" => {
            let (initial, steps) = start(&mut fields, "decay_steps")?;
            let mut decay = PolynomialDecay::new(initial, steps);
            decay.end_learning_rate =
                fields.number("end_learning_rate", decay.end_learning_rate)?;
            decay.power = fields.number("power", decay.power)?;
            decay.cycle = fields.flag("cycle", decay.cycle)?;
            decay.into()
        }
        "InverseTimeDecay" => {
            let (initial, steps) = start(&mut fields, "decay_steps")?;
            let decay = InverseTimeDecay::new(initial, steps, fields.need_number("decay_rate")?);
            InverseTimeDecay { staircase: fields.flag("staircase", false)?, ..decay }.into()
        }
        "CosineDecay" => {
            let (initial, steps) = start(&mut fields, "decay_steps")?;
            let mut decay = CosineDecay::new(initial, steps);
            decay.alpha = fields.number("alpha", decay.alpha)?;
            decay.warmup_target = fields.optional_number("warmup_target")?;
            decay.warmup_steps = fields.optional_count("warmup_steps")?.unwrap_or(0);
            decay.into()
        }
        "CosineDecayRestarts" => {
            let (initial, steps) = start(&mut fields, "first_decay_steps")?;
            let mut decay = CosineDecayRestarts::new(initial, steps);
            decay.t_mul = fields.number("t_mul", decay.t_mul)?;
            decay.m_mul = fields.number("m_mul", decay.m_mul)?;
            decay.alpha = fields.number("alpha", decay.alpha)?;
            decay.into()
        }
        other => return Err(Error::unsupported("learning-rate schedule", other)),
    };
    fields.name()?;
    fields.finish()?;
    Ok(schedule)
}

/// The first rate, and the steps it is told of.
fn start(fields: &mut Fields, steps: &'static str) -> Result<(f64, u64)> {
    let initial = fields.need_number("initial_learning_rate")?;
    let missing = fields.error(steps, "missing");
    Ok((initial, fields.optional_count(steps)?.ok_or(missing)?))
}

/// What `keras.optimizers.schedules.serialize` writes.
pub(super) fn schedule_json(schedule: &Schedule) -> Value {
    let config = match schedule {
        Schedule::ExponentialDecay(decay) => json!({
            "initial_learning_rate": decay.initial_learning_rate,
            "decay_steps": decay.decay_steps,
            "decay_rate": decay.decay_rate,
            "staircase": decay.staircase,
            "name": "ExponentialDecay",
        }),
        Schedule::PiecewiseConstantDecay(decay) => json!({
            "boundaries": decay.boundaries,
            "values": decay.values,
            "name": "PiecewiseConstant",
        }),
        Schedule::PolynomialDecay(decay) => json!({
            "initial_learning_rate": decay.initial_learning_rate,
            "decay_steps": decay.decay_steps,
            "end_learning_rate": decay.end_learning_rate,
            "power": decay.power,
            "cycle": decay.cycle,
            "name": "PolynomialDecay",
        }),
        Schedule::InverseTimeDecay(decay) => json!({
            "initial_learning_rate": decay.initial_learning_rate,
            "decay_steps": decay.decay_steps,
            "decay_rate": decay.decay_rate,
            "staircase": decay.staircase,
            "name": "InverseTimeDecay",
        }),
        Schedule::CosineDecay(decay) => json!({
            "initial_learning_rate": decay.initial_learning_rate,
            "decay_steps": decay.decay_steps,
            "alpha": decay.alpha,
            "name": "CosineDecay",
            "warmup_target": decay.warmup_target,
            "warmup_steps": decay.warmup_steps,
        }),
        Schedule::CosineDecayRestarts(decay) => json!({
            "initial_learning_rate": decay.initial_learning_rate,
            "first_decay_steps": decay.first_decay_steps,
            "t_mul": decay.t_mul,
            "m_mul": decay.m_mul,
            "alpha": decay.alpha,
            "name": "SGDRDecay",
        }),
    };
    object("keras.optimizers.schedules", schedule.class(), config)
}
