//! Where the marks of an axis are, and what stands at them.

/// Round values from 0 to `to`, as many as fit into `room` or so, with their texts.
pub(super) fn linear_ticks(to: f64, room: usize) -> Vec<(f64, String)> {
    let rough = to / room.clamp(2, 10) as f64;
    let power = 10_f64.powf(rough.max(1e-12).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= rough);
    let step = step.unwrap_or(rough);
    (0..=(to / step) as usize).map(|tick| tick as f64 * step).map(|value| (value, figure(value))).collect()
}

/// The same between `from` and `to` of a logarithmic axis.
pub(super) fn log_ticks(from: f64, to: f64, room: usize) -> Vec<(f64, String)> {
    let (low, high) = (from.log10().floor() as i32, to.log10().ceil() as i32);
    let all = |steps: &[f64]| -> Vec<f64> {
        let decades = (low..=high).flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
        decades.filter(|value| (from..=to).contains(value)).collect()
    };
    let ticks = [&[1.0, 2.0, 5.0][..], &[1.0, 3.0], &[1.0]].into_iter().map(all);
    let chosen = ticks.into_iter().find(|ticks| ticks.len() <= room.max(3)).unwrap_or_else(|| all(&[1.0]));
    chosen.into_iter().map(|value| (value, figure(value))).collect()
}

/// A tick's text: `0.05`, `12`, `200k`.
fn figure(value: f64) -> String {
    match value {
        ..0.000_5 => "0".to_owned(),
        ..10.0 => {
            let text = format!("{value:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        ..10_000.0 => format!("{value:.0}"),
        ..1_000_000.0 => format!("{}k", (value / 1e3).round()),
        _ => format!("{}M", (value / 1e5).round() / 10.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_fit() {
        let texts = |ticks: Vec<(f64, String)>| ticks.into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts(linear_ticks(216_000.0, 6)), ["0", "50k", "100k", "150k", "200k"]);
        assert_eq!(texts(linear_ticks(2_160_000.0, 5)), ["0", "500k", "1M", "1.5M", "2M"]);
        assert_eq!(texts(log_ticks(0.04, 30.0, 6)), ["0.1", "0.3", "1", "3", "10", "30"]);
        assert_eq!(texts(log_ticks(0.2, 1.1, 6)), ["0.2", "0.5", "1"]);
    }
}
