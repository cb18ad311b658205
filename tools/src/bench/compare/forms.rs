//! A comparison for programs: as JSON, and as a row for each run.

use serde_json::{Value, json};

use super::{MEASURES, Side, Spread, differences, spread, verdict};

/// `ringmq-bench-compare/1`.
pub(super) fn json(sides: &[Side]) -> Value {
    let base = &sides[0];
    let one = |spread: Option<Spread>| {
        spread.map_or(Value::Null, |s| json!({"median": s.median, "least": s.least, "most": s.most}))
    };
    let measures = MEASURES.iter().map(|measure| {
        let spreads: Vec<Value> = sides.iter().map(|side| one(spread(side, measure))).collect();
        let verdicts: Vec<String> = sides[1..]
            .iter()
            .map(|other| verdict(measure, (base, spread(base, measure)), (other, spread(other, measure))))
            .collect();
        json!({"measure": measure.name, "values": spreads, "verdicts": verdicts})
    });
    json!({
        "schema": "ringmq-bench-compare/1",
        "results": sides.iter().map(|side| json!({
            "name": side.name, "runs": side.runs.len(), "invalid": side.runs.iter().filter(|run| !run.valid).count(),
        })).collect::<Vec<_>>(),
        "differences": differences(sides).into_iter().map(|(what, values)| json!({"parameter": what, "values": values}))
            .collect::<Vec<_>>(),
        "measures": measures.collect::<Vec<_>>(),
    })
}

/// All figures of all runs.
pub(super) fn csv(sides: &[Side]) -> String {
    let mut text = String::from("result,run,valid");
    MEASURES.iter().for_each(|measure| text.push_str(&format!(",{}", measure.name)));
    text.push('\n');
    for side in sides {
        for (at, run) in side.runs.iter().enumerate() {
            text.push_str(&format!("{},{},{}", side.name.replace(',', ";"), at + 1, u8::from(run.valid)));
            for measure in &MEASURES {
                text.push_str(&format!(
                    ",{}",
                    (measure.of)(run).map_or(String::new(), |value| value.to_string())
                ));
            }
            text.push('\n');
        }
    }
    text
}
