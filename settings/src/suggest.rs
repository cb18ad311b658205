//! "Did you mean": the nearest known name.

/// The name of `known` nearest to `wrong`, if it is near enough to be what was meant.
///
/// Case costs nothing and `-`, `_`, `.` are alike, since those are the usual slips; otherwise it is the edit
/// distance with transpositions, at most a third of the length.
#[must_use]
pub fn closest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = fold(wrong);
    let limit = plain.len() / 3;
    known
        .map(|name| (distance(&plain, &fold(name)), name))
        .filter(|(far, _)| *far <= limit)
        .min_by_key(|(far, name)| (*far, name.len()))
        .map(|(_, name)| name)
}

fn fold(name: &str) -> Vec<char> {
    name.chars()
        .filter(|c| !matches!(c, '-' | '_' | '.'))
        .flat_map(char::to_lowercase)
        .take(LENGTH_MAX)
        .collect()
}

/// Names are shorter; a longer one is not worth quadratic work.
const LENGTH_MAX: usize = 80;

/// Damerau-Levenshtein distance (adjacent transpositions count once).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (above[j] + usize::from(x != y)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = above;
        above = row;
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_slips_find_their_name() {
        let known = ["brokerIP1", "brokerIP2", "brokerName", "mappedFileSizeCommitLog", "store.io_mode"];
        assert_eq!(closest("brokerIp1", known.into_iter()), Some("brokerIP1"));
        assert_eq!(closest("mapedFileSizeCommitLog", known.into_iter()), Some("mappedFileSizeCommitLog"));
        assert_eq!(closest("store.io-mode", known.into_iter()), Some("store.io_mode"));
        assert_eq!(closest("borkerName", known.into_iter()), Some("brokerName"));
        assert_eq!(closest("something else", known.into_iter()), None);
    }

    #[test]
    fn a_transposition_is_one_step() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(distance(&chars("ab"), &chars("ba")), 1);
        assert_eq!(distance(&chars("abc"), &chars("")), 3);
        assert_eq!(distance(&chars("kitten"), &chars("sitting")), 3);
    }
}
