//! Optimizers and their schedules.

use serde_json::{Value, json};

use super::fields::Fields;
use super::schedules::{schedule, schedule_json};
use super::weights::{named_or_class, object};
use crate::error::Result;
use crate::optimizer::{Averaging, Optimizer, Rule};

/// An optimizer: a name, or a class, in letters of either case as in Keras, with its settings.
pub(super) fn optimizer(value: &Value) -> Result<Optimizer> {
    named_or_class("optimizer", value, |class, fields| {
        let mut optimizer: Optimizer = class.parse()?;
        match fields.take("learning_rate") {
            None => {}
            Some(value @ Value::Object(_)) => optimizer.schedule = Some(schedule(value)?),
            Some(value) => {
                let wrong = || {
                    let why = format!("expected a number or a schedule, found {value}");
                    fields.error("learning_rate", why)
                };
                optimizer.rule.set_learning_rate(value.as_f64().ok_or_else(wrong)?);
            }
        }
        settings(&mut optimizer.rule, fields)?;
        shared(&mut optimizer, fields)?;
        Ok(optimizer)
    })
}

/// The settings of the rule.
fn settings(rule: &mut Rule, fields: &mut Fields) -> Result<()> {
    /// Fields of the same name, numbers first, then flags.
    macro_rules! read {
        ($rule:ident: $($number:ident),*; $($flag:ident),*) => {{
            $($rule.$number = fields.number(stringify!($number), $rule.$number)?;)*
            $($rule.$flag = fields.flag(stringify!($flag), $rule.$flag)?;)*
        }};
    }
    match rule {
        Rule::SGD(sgd) => read!(sgd: momentum; nesterov),
        Rule::RMSprop(rms) => read!(rms: rho, momentum, epsilon; centered),
        Rule::Adam(adam) | Rule::AdamW(adam) => read!(adam: beta_1, beta_2, epsilon; amsgrad),
        Rule::Nadam(nadam) => read!(nadam: beta_1, beta_2, epsilon;),
        Rule::Adamax(adamax) => read!(adamax: beta_1, beta_2, epsilon;),
        Rule::Adagrad(adagrad) => read!(adagrad: initial_accumulator_value, epsilon;),
        Rule::Adadelta(adadelta) => read!(adadelta: rho, epsilon;),
        Rule::Ftrl(ftrl) => read!(
            ftrl: learning_rate_power,
            initial_accumulator_value,
            l1_regularization_strength,
            l2_regularization_strength,
            l2_shrinkage_regularization_strength,
            beta;
        ),
        Rule::Lion(lion) => read!(lion: beta_1, beta_2;),
        Rule::Lamb(lamb) => read!(lamb: beta_1, beta_2, epsilon;),
    }
    Ok(())
}

/// The settings that all have.
fn shared(optimizer: &mut Optimizer, fields: &mut Fields) -> Result<()> {
    optimizer.name = fields.name()?;
    if fields.has("weight_decay") {
        optimizer.weight_decay = fields.optional_number("weight_decay")?;
    }
    optimizer.clipnorm = fields.optional_number("clipnorm")?;
    optimizer.global_clipnorm = fields.optional_number("global_clipnorm")?;
    optimizer.clipvalue = fields.optional_number("clipvalue")?;
    let Averaging { use_ema, ema_momentum, .. } = Averaging::default();
    optimizer.averaging = Averaging {
        use_ema: fields.flag("use_ema", use_ema)?,
        ema_momentum: fields.number("ema_momentum", ema_momentum)?,
        ema_overwrite_frequency: fields.optional_count("ema_overwrite_frequency")?,
    };
    optimizer.loss_scale_factor = fields.optional_number("loss_scale_factor")?;
    optimizer.gradient_accumulation_steps = fields.optional_count("gradient_accumulation_steps")?;
    Ok(())
}

/// What `keras.optimizers.serialize` writes.
pub(super) fn json(optimizer: &Optimizer) -> Value {
    let Averaging { use_ema, ema_momentum, ema_overwrite_frequency } = optimizer.averaging;
    let mut config = json!({
        "name": optimizer.name.as_deref().unwrap_or(optimizer.rule.base_name()),
        "learning_rate": match &optimizer.schedule {
            Some(schedule) => schedule_json(schedule),
            None => json!(optimizer.rule.learning_rate()),
        },
        "weight_decay": optimizer.weight_decay,
        "clipnorm": optimizer.clipnorm,
        "global_clipnorm": optimizer.global_clipnorm,
        "clipvalue": optimizer.clipvalue,
        "use_ema": use_ema,
        "ema_momentum": ema_momentum,
        "ema_overwrite_frequency": ema_overwrite_frequency,
        "loss_scale_factor": optimizer.loss_scale_factor,
        "gradient_accumulation_steps": optimizer.gradient_accumulation_steps,
    });
    macro_rules! write {
        ($rule:ident: $($field:ident),*) => {{
            $(config[stringify!($field)] = json!($rule.$field);)*
        }};
    }
    match &optimizer.rule {
        Rule::SGD(sgd) => write!(sgd: momentum, nesterov),
        Rule::RMSprop(rms) => write!(rms: rho, momentum, epsilon, centered),
        Rule::Adam(adam) | Rule::AdamW(adam) => write!(adam: beta_1, beta_2, epsilon, amsgrad),
        Rule::Nadam(nadam) => write!(nadam: beta_1, beta_2, epsilon),
        Rule::Adamax(adamax) => write!(adamax: beta_1, beta_2, epsilon),
        Rule::Adagrad(adagrad) => write!(adagrad: initial_accumulator_value, epsilon),
        Rule::Adadelta(adadelta) => write!(adadelta: rho, epsilon),
        Rule::Ftrl(ftrl) => write!(
            ftrl: learning_rate_power,
            initial_accumulator_value,
            l1_regularization_strength,
            l2_regularization_strength,
            l2_shrinkage_regularization_strength,
            beta
        ),
        Rule::Lion(lion) => write!(lion: beta_1, beta_2),
        Rule::Lamb(lamb) => write!(lamb: beta_1, beta_2, epsilon),
    }
    object("keras.optimizers", optimizer.rule.class(), config)
}
