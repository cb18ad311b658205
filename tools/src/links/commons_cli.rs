//! Command lines as RocketMQ's own commands read them: the rules of Apache commons-cli's PosixParser.
//!
//! `-c FILE`, `-cFILE`, `--configFile FILE`, `--configFile=FILE`, `-configFile FILE`; `--` ends the options. clap has
//! other rules (`-ak x` is two flags to it, one to commons-cli), hence this small parser.

use std::fmt;

/// One option that a command knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opt {
    /// Name after one dash.
    pub(crate) short: &'static str,
    /// Name after two dashes (one is taken too).
    pub(crate) long: &'static str,
    /// It has a value.
    pub(crate) value: bool,
    /// For the help.
    pub(crate) help: &'static str,
}

/// What was given: options by short name, in order, then the rest.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    options: Vec<(&'static str, String)>,
    /// What is no option.
    pub(crate) rest: Vec<String>,
}

/// Not understood; worded as commons-cli does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ParseError {
    /// No such option.
    Unrecognized(String),
    /// It needs a value.
    MissingArgument(&'static str),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::Unrecognized(option) => write!(f, "Unrecognized option: {option}"),
            ParseError::MissingArgument(option) => write!(f, "Missing argument for option: {option}"),
        }
    }
}

impl Parsed {
    /// The value of an option (the first one given, as commons-cli answers), empty for a flag.
    pub(crate) fn value(&self, short: &str) -> Option<&str> {
        self.options.iter().find(|(name, _)| *name == short).map(|(_, value)| value.as_str())
    }

    /// The option was given.
    pub(crate) fn has(&self, short: &str) -> bool {
        self.value(short).is_some()
    }
}

/// Reads `arguments` (without the command's name).
pub(crate) fn parse(known: &[Opt], arguments: &[String]) -> Result<Parsed, ParseError> {
    let mut parsed = Parsed::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            parsed.rest.extend(rest.by_ref().cloned());
            break;
        }
        if !argument.starts_with('-') || argument == "-" {
            parsed.rest.push(argument.clone());
            continue;
        }
        let (option, attached) = find(known, argument)?;
        let value = match (option.value, attached) {
            (false, _) => String::new(),
            (true, Some(value)) => value,
            (true, None) => rest.next().cloned().ok_or(ParseError::MissingArgument(option.short))?,
        };
        parsed.options.push((option.short, value));
    }
    Ok(parsed)
}

/// The option that `argument` names, and the value written with it.
fn find<'k>(known: &'k [Opt], argument: &str) -> Result<(&'k Opt, Option<String>), ParseError> {
    let name = argument.trim_start_matches('-');
    let (bare, value) =
        name.split_once('=').map_or((name, None), |(bare, value)| (bare, Some(value.to_owned())));
    let one_dash = !argument.starts_with("--");
    let exact = known.iter().find(|option| option.long == bare || (one_dash && option.short == bare));
    if let Some(option) = exact.filter(|option| option.value || value.is_none()) {
        return Ok((option, value));
    }
    let glued = known
        .iter()
        .filter(|option| one_dash && option.value && option.short.len() == 1)
        .find_map(|option| name.strip_prefix(option.short).map(|value| (option, Some(value.to_owned()))));
    glued.ok_or_else(|| ParseError::Unrecognized(argument.to_owned()))
}

/// The usage text, in commons-cli's layout.
pub(crate) fn usage(command: &str, known: &[Opt]) -> String {
    let mut sorted: Vec<&Opt> = known.iter().collect();
    sorted.sort_by_key(|option| option.short);
    let summary: Vec<String> =
        sorted
            .iter()
            .map(|option| {
                if option.value {
                    format!("[-{} <arg>]", option.short)
                } else {
                    format!("[-{}]", option.short)
                }
            })
            .collect();
    let left: Vec<String> = sorted
        .iter()
        .map(|option| {
            format!(" -{},--{}{}", option.short, option.long, if option.value { " <arg>" } else { "" })
        })
        .collect();
    let width = left.iter().map(String::len).max().unwrap_or(0);
    let rows: Vec<String> =
        sorted.iter().zip(&left).map(|(option, left)| format!("{left:width$}   {}", option.help)).collect();
    format!("usage: {command} {}\n{}", summary.join(" "), rows.join("\n"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KNOWN: &[Opt] = &[
        Opt { short: "c", long: "configFile", value: true, help: "Broker config properties file" },
        Opt { short: "p", long: "printConfigItem", value: false, help: "Print all config item" },
        Opt { short: "ak", long: "accessKey", value: true, help: "Key" },
    ];

    fn read(arguments: &[&str]) -> Result<Parsed, ParseError> {
        parse(KNOWN, &arguments.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn all_spellings_of_an_option_are_one() {
        for spelling in [
            &["-c", "f"][..],
            &["-cf"],
            &["--configFile", "f"],
            &["--configFile=f"],
            &["-configFile", "f"],
            &["-c=f"],
        ] {
            assert_eq!(read(spelling).unwrap().value("c"), Some("f"), "{spelling:?}");
        }
    }

    #[test]
    fn a_two_letter_name_is_one_flag_and_the_rest_is_kept() {
        let parsed = read(&["-ak", "x", "-p", "broker", "--", "-c"]).unwrap();
        assert_eq!((parsed.value("ak"), parsed.has("p"), parsed.has("c")), (Some("x"), true, false));
        assert_eq!(parsed.rest, ["broker", "-c"]);
    }

    #[test]
    fn errors_are_worded_as_commons_cli_does() {
        assert_eq!(read(&["-zz"]).unwrap_err().to_string(), "Unrecognized option: -zz");
        assert_eq!(read(&["-c"]).unwrap_err().to_string(), "Missing argument for option: c");
    }

    #[test]
    fn usage_has_commons_clis_layout() {
        let text = usage("mqbroker", &KNOWN[..2]);
        assert_eq!(
            text,
            "usage: mqbroker [-c <arg>] [-p]\n -c,--configFile <arg>   Broker config properties file\n -p,--printConfigItem    Print all config item"
        );
    }

    proptest! {
        #[test]
        fn no_arguments_make_the_parser_panic(arguments in proptest::collection::vec("-{0,3}[a-z=]{0,8}", 0..6)) {
            let _ = parse(KNOWN, &arguments);
        }
    }
}
