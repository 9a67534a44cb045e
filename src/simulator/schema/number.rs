//! Numbers inside bounds.

use serde_json::{Number, Value};

use super::super::dice::Dice;

/// Beyond it a double does not tell neighbouring integers apart.
const EXACT: f64 = 9_007_199_254_740_991.0;

pub(super) fn integer(schema: &Value, dice: &mut Dice) -> Value {
    let (low, high) = bounds(schema, 1.0);
    let step = step(schema).map_or(1.0, |step| if step.fract() == 0.0 { step } else { 1.0 });
    whole(pick(low, high, step, dice))
}

pub(super) fn number(schema: &Value, dice: &mut Dice) -> Value {
    if let Some(step) = step(schema) {
        let (low, high) = bounds(schema, step);
        return float(pick(low, high, step, dice));
    }
    let (low, high) = bounds(schema, 0.0);
    let candidate = pick(low.map(f64::ceil), high.map(f64::floor), 1.0, dice);
    let inside = |value: f64| low.is_none_or(|low| value > low) && high.is_none_or(|high| value < high);
    if inside(candidate) {
        return float(candidate);
    }
    // No integer strictly inside: the middle is, unless the bounds meet.
    match (low, high) {
        (Some(low), Some(high)) => float(low / 2.0 + high / 2.0),
        (Some(low), None) => float(low + 1.0),
        (None, Some(high)) => float(high - 1.0),
        (None, None) => float(candidate),
    }
}

/// Inclusive bounds; an exclusive one is moved inwards by `nudge`.
fn bounds(schema: &Value, nudge: f64) -> (Option<f64>, Option<f64>) {
    let get = |key: &str| schema.get(key).and_then(Value::as_f64);
    let flag = |key: &str| schema.get(key) == Some(&Value::Bool(true));
    let low = match (get("minimum"), get("exclusiveMinimum")) {
        (Some(low), None) if flag("exclusiveMinimum") => Some(low + nudge),
        (low, exclusive) => larger(low, exclusive.map(|low| inward(low, nudge, 1.0))),
    };
    let high = match (get("maximum"), get("exclusiveMaximum")) {
        (Some(high), None) if flag("exclusiveMaximum") => Some(high - nudge),
        (high, exclusive) => larger(high.map(|n| -n), exclusive.map(|high| -inward(high, nudge, -1.0))).map(|n| -n),
    };
    (low, high)
}

/// The next multiple of `nudge` strictly beyond `bound` in the given direction.
fn inward(bound: f64, nudge: f64, direction: f64) -> f64 {
    if nudge == 0.0 {
        return bound;
    }
    let steps = if direction > 0.0 { (bound / nudge).floor() + 1.0 } else { (bound / nudge).ceil() - 1.0 };
    steps * nudge
}

fn larger(one: Option<f64>, two: Option<f64>) -> Option<f64> {
    match (one, two) {
        (Some(one), Some(two)) => Some(one.max(two)),
        (one, two) => one.or(two),
    }
}

fn step(schema: &Value) -> Option<f64> {
    schema.get("multipleOf").and_then(Value::as_f64).filter(|step| *step > 0.0)
}

/// A small multiple of `step` between the bounds.
fn pick(low: Option<f64>, high: Option<f64>, step: f64, dice: &mut Dice) -> f64 {
    let first = match (low, high) {
        (Some(low), _) => (low / step).ceil(),
        (None, Some(high)) => ((high / step).floor() - 20.0).min(1.0),
        (None, None) => 1.0,
    };
    let last = high.map_or(first + 20.0, |high| (high / step).floor());
    let room = (last - first).clamp(0.0, 1_000.0);
    let offset = dice.below(room as usize + 1);
    (first + f64::from(u32::try_from(offset).unwrap_or(0))) * step
}

fn whole(value: f64) -> Value {
    let bounded = value.clamp(-EXACT, EXACT).round();
    Value::Number(Number::from(bounded as i64))
}

fn float(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < EXACT {
        return whole(value);
    }
    Number::from_f64(value).map_or(Value::from(0), Value::Number)
}
