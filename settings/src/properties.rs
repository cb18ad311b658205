//! Java properties with line numbers: escapes, continuation lines, `=`, `:` or blank as separator.
//!
//! The grammar is the crate `java-properties`; this adds where each pair stands and reads UTF-8 where Java reads
//! Latin-1, as every file that is not ASCII nowadays is UTF-8.

use java_properties::{LineContent, PropertiesIter};

/// One pair of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyLine {
    /// Key, unescaped.
    pub key: String,
    /// Value, unescaped, trailing blanks removed as RocketMQ's loader does.
    pub value: String,
    /// Line on which the pair starts, from 1.
    pub line: u32,
}

/// Not a properties file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyError {
    /// Line of the damage, from 1.
    pub line: u32,
    /// What is wrong there.
    pub what: &'static str,
}

/// Reads a whole file.
///
/// # Errors
/// The first line that is no property: a broken `\u` escape.
pub fn parse(text: &str) -> Result<Vec<PropertyLine>, PropertyError> {
    let mut pairs = Vec::new();
    for line in PropertiesIter::new_with_encoding(text.as_bytes(), encoding_rs::UTF_8) {
        let line = line.map_err(|error| PropertyError {
            line: error.line_number().and_then(|line| u32::try_from(line).ok()).unwrap_or(1),
            what: "a \\u escape needs four hexadecimal digits",
        })?;
        let at = u32::try_from(line.line_number()).unwrap_or(u32::MAX);
        if let LineContent::KVPair(key, value) = line.consume_content() {
            pairs.push(PropertyLine { key, value: value.trim_end().to_owned(), line: at });
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String, u32)> {
        parse(text).unwrap().into_iter().map(|pair| (pair.key, pair.value, pair.line)).collect()
    }

    fn pair(key: &str, value: &str, line: u32) -> (String, String, u32) {
        (key.to_owned(), value.to_owned(), line)
    }

    #[test]
    fn every_separator_and_comment_of_java_is_understood() {
        let text = "# comment\n! also\nbrokerName=a\n  brokerId : 0\nbrokerRole ASYNC_MASTER\n\nempty=\n";
        assert_eq!(
            pairs(text),
            [
                pair("brokerName", "a", 3),
                pair("brokerId", "0", 4),
                pair("brokerRole", "ASYNC_MASTER", 5),
                pair("empty", "", 7)
            ]
        );
    }

    #[test]
    fn a_continued_line_counts_as_the_line_it_starts_on() {
        assert_eq!(
            pairs("namesrvAddr=a:1;\\\n   b:2\nlistenPort=10911"),
            [pair("namesrvAddr", "a:1;b:2", 1), pair("listenPort", "10911", 3)]
        );
    }

    #[test]
    fn escapes_are_undone_and_text_is_utf_8() {
        assert_eq!(pairs("k\\=1=\\u4e2d\\t\u{6587}"), [pair("k=1", "\u{4e2d}\t\u{6587}", 1)]);
    }

    #[test]
    fn a_broken_escape_names_its_line() {
        assert_eq!(parse("a=1\nb=\\u12x4").unwrap_err().line, 2);
    }

    proptest! {
        #[test]
        fn what_is_escaped_reads_back(key in "[a-zA-Z.=: \u{4e2d}]{1,12}", value in "[a-z=:# \\\\\u{6587}]{0,12}[a-z]") {
            let escape = |text: &str| -> String {
                text.chars().flat_map(|c| if matches!(c, '=' | ':' | '#' | ' ' | '\\' | '!') { vec!['\\', c] } else { vec![c] }).collect()
            };
            let text = format!("{}={}\n", escape(&key), escape(&value));
            prop_assert_eq!(pairs(&text), vec![(key, value, 1)]);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[\\\\u0-9a-f=: \n\r#!]{0,60}") {
            let _ = parse(&text);
        }
    }
}
