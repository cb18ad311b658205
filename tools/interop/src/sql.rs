//! RocketMQ's SQL92 evaluator and ours on the same generated filters and messages: they agree, or somebody loses messages.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use broker::sql::Filter;

use crate::artifacts::Workshop;
use crate::process::output;
use crate::random::Random;
use crate::report::Report;
use crate::trouble::Trouble;

/// Filters per run; one message each.
const CASES: usize = 20_000;
const PATIENCE: Duration = Duration::from_secs(120);

/// One filter and the properties it is asked about.
struct Case {
    text: String,
    properties: Vec<(&'static str, &'static str)>,
}

pub(crate) fn run(suite: &str, workshop: &Workshop, home: &Path, report: &Report) -> Result<(), Trouble> {
    let seed = 92;
    let mut random = Random::new(seed);
    let cases: Vec<Case> = (0..CASES).map(|_| case(&mut random)).collect();
    let theirs = verdicts(workshop, home, &cases)?;
    let mut different = Vec::new();
    for (case, theirs) in cases.iter().zip(theirs.chars()) {
        let ours = verdict(case);
        if ours != theirs {
            different.push(format!(
                "{:?} on {:?}: RocketMQ says {theirs}, we say {ours}",
                case.text, case.properties
            ));
        }
    }
    let kinds = ['E', '0', '1'].map(|kind| theirs.matches(kind).count());
    let what = format!("{CASES} filters ({} are none, {} match)", kinds[0], kinds[2]);
    match different.first() {
        None if kinds.iter().all(|count| *count > CASES / 50) => report.pass(suite, &what, Duration::ZERO),
        None => report.fail(suite, &what, "the generator is lopsided: too few of one kind to prove anything"),
        Some(first) => {
            let why = format!("{} differ, the first: {first}", different.len());
            let _kept_for_a_look = fs::write(home.join("different"), different.join("\n"));
            report.fail(suite, &what, &why);
        }
    }
    Ok(())
}

/// `E` no filter, `1` matches, `0` does not.
fn verdict(case: &Case) -> char {
    let find = |name: &str| case.properties.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    match Filter::compile(&case.text) {
        Err(_) => 'E',
        Ok(filter) if filter.matches(find) => '1',
        Ok(_) => '0',
    }
}

fn verdicts(workshop: &Workshop, home: &Path, cases: &[Case]) -> Result<String, Trouble> {
    let mut text = String::new();
    for case in cases {
        text.push_str(&hex(&case.text));
        for (name, value) in &case.properties {
            let _infallible = write!(text, " {} {}", hex(name), hex(value));
        }
        text.push('\n');
    }
    fs::create_dir_all(home).map_err(Trouble::io("make a folder"))?;
    let file = home.join("cases");
    fs::write(&file, text).map_err(Trouble::io("write the cases"))?;
    let mut command = Command::new("java");
    command.args(["-cp", &workshop.sql_oracle()?, "interop.Sql"]).arg(&file);
    Ok(output(command, PATIENCE)?.trim().to_owned())
}

fn hex(text: &str) -> String {
    let digits: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    // An empty text is a word of its own.
    if digits.is_empty() { "-".to_owned() } else { digits }
}

const NAMES: [&str; 8] = ["a", "b", "price", "name", "flag", "TAGS", "$x_1", "missing"];
const VALUES: [&str; 20] = [
    "5",
    "-5",
    "+5",
    "05",
    "3.5",
    "-0.0",
    "1e3",
    "3000000000",
    "x",
    "TRUE",
    "false",
    "abc",
    "a'b",
    "NaN",
    "Infinity",
    " 5 ",
    "5d",
    "0x10",
    "é",
    "2147483648",
];
const CONSTANTS: [&str; 26] = [
    "5",
    "-5",
    "0",
    "007",
    "5L",
    "0L",
    "3000000000",
    "9223372036854775807",
    "9223372036854775808",
    "3.5",
    "5.",
    ".5",
    "0.0",
    "1E3",
    "1e-3",
    "5E",
    "'5'",
    "'abc'",
    "'a''b'",
    "''",
    "'é'",
    "TRUE",
    "false",
    "NULL",
    "+5",
    "- 5",
];
const OPERATORS: [&str; 8] = ["=", "<>", ">", ">=", "<", "<=", "!=", "=="];

fn case(random: &mut Random) -> Case {
    let mut properties = Vec::new();
    for name in &NAMES[..7] {
        if random.below(4) > 0 {
            properties.push((*name, *pick(random, &VALUES)));
        }
    }
    let mut text = condition(random, 3);
    if random.below(12) == 0 {
        text = damaged(random, &text);
    }
    Case { text, properties }
}

fn pick<'a, T>(random: &mut Random, from: &'a [T]) -> &'a T {
    &from[usize::try_from(random.below(from.len() as u64)).expect("below a length")]
}

fn operand(random: &mut Random) -> String {
    match random.below(8) {
        0..4 => (*pick(random, &NAMES)).to_owned(),
        4..7 => (*pick(random, &CONSTANTS)).to_owned(),
        _ => format!("{}{}", pick(random, &["+", "-", "(", "NOT "]), pick(random, &NAMES)),
    }
}

fn condition(random: &mut Random, depth: u32) -> String {
    let not = *pick(random, &["", "", "NOT "]);
    match random.below(if depth == 0 { 10 } else { 16 }) {
        0..5 => format!("{} {} {}", operand(random), pick(random, &OPERATORS), operand(random)),
        5 => format!("{} {not}BETWEEN {} AND {}", operand(random), operand(random), operand(random)),
        6 => {
            let texts = ["'5'", "'abc'", "'x','TRUE'", "'a''b', 'é'", "5", ""];
            format!("{} {not}IN ({})", operand(random), pick(random, &texts))
        }
        7 => {
            let word = pick(random, &["CONTAINS", "startswith", "EndsWith"]);
            format!(
                "{} {not}{word} {}",
                operand(random),
                pick(random, &["'a'", "'5'", "'b'", "''", "5", "'é'"])
            )
        }
        8 => format!("{} IS {not}NULL", operand(random)),
        9 => operand(random),
        10..13 => format!("{} AND {}", condition(random, depth - 1), condition(random, depth - 1)),
        13..15 => format!("{} or {}", condition(random, depth - 1), condition(random, depth - 1)),
        _ => format!("{not}({})", condition(random, depth - 1)),
    }
}

/// A character taken out, doubled, or put in.
fn damaged(random: &mut Random, text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    if characters.is_empty() {
        return String::new();
    }
    let at = usize::try_from(random.below(characters.len() as u64)).expect("below a length");
    match random.below(3) {
        0 => drop(characters.remove(at)),
        1 => characters.insert(at, characters[at]),
        _ => characters
            .insert(at, *pick(random, &['(', ')', '\'', '-', '.', ',', '#', '"', '/', '*', ' ', 'e'])),
    }
    characters.into_iter().collect()
}
