//! Tokens, read one at a time: what follows a complete expression is never looked at.

use super::ParseError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'t> {
    Word(Keyword),
    Name(&'t str),
    Text(String),
    Int(i32),
    Long(i64),
    Float(f64),
    /// A number that no type holds: wrong only where a value is wanted.
    OutOfRange(&'t str),
    Symbol(Symbol),
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    Not,
    And,
    Or,
    Between,
    In,
    True,
    False,
    Null,
    Is,
    Contains,
    StartsWith,
    EndsWith,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Open,
    Close,
    Comma,
    Plus,
    Minus,
}

const KEYWORDS: [(&str, Keyword); 12] = [
    ("NOT", Keyword::Not),
    ("AND", Keyword::And),
    ("OR", Keyword::Or),
    ("BETWEEN", Keyword::Between),
    ("IN", Keyword::In),
    ("TRUE", Keyword::True),
    ("FALSE", Keyword::False),
    ("NULL", Keyword::Null),
    ("IS", Keyword::Is),
    ("CONTAINS", Keyword::Contains),
    ("STARTSWITH", Keyword::StartsWith),
    ("ENDSWITH", Keyword::EndsWith),
];

/// Longer ones first: the longest match wins.
const SYMBOLS: [(&str, Symbol); 11] = [
    ("<>", Symbol::NotEqual),
    (">=", Symbol::GreaterOrEqual),
    ("<=", Symbol::LessOrEqual),
    ("=", Symbol::Equal),
    (">", Symbol::Greater),
    ("<", Symbol::Less),
    ("(", Symbol::Open),
    (")", Symbol::Close),
    (",", Symbol::Comma),
    ("+", Symbol::Plus),
    ("-", Symbol::Minus),
];

/// Reads the token at `at`; returns it and where the next begins.
pub(super) fn token(text: &str, at: usize) -> Result<(Token<'_>, usize), ParseError> {
    let at = skip_blanks(text, at)?;
    let rest = &text[at..];
    let Some(first) = rest.chars().next() else { return Ok((Token::End, at)) };
    if first == '\'' {
        return string(text, at);
    }
    if first.is_ascii_digit() || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
        return Ok(number(text, at));
    }
    if first.is_ascii_alphabetic() || matches!(first, '_' | '$') {
        let bytes =
            rest.bytes().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'$')).count();
        let word = &rest[..bytes];
        let keyword = KEYWORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        return Ok((keyword.map_or(Token::Name(word), |(_, keyword)| Token::Word(*keyword)), at + bytes));
    }
    match SYMBOLS.iter().find(|(name, _)| rest.starts_with(name)) {
        Some((name, symbol)) => Ok((Token::Symbol(*symbol), at + name.len())),
        None => Err(ParseError::new(at, format!("{first:?} is no part of the language"))),
    }
}

/// Behind blanks and comments.
fn skip_blanks(text: &str, mut at: usize) -> Result<usize, ParseError> {
    loop {
        let rest = &text[at..];
        if rest.starts_with([' ', '\t', '\r', '\n', '\u{c}']) {
            at += 1;
        } else if rest.starts_with("--") {
            // A comment ends with a line; one that does not is none.
            match rest.find(['\n', '\r']) {
                Some(end) => at += end + 1,
                None => return Ok(at),
            }
        } else if let Some(comment) = rest.strip_prefix("/*") {
            match comment.find("*/") {
                Some(end) => at += 2 + end + 2,
                None => return Err(ParseError::new(at, "the comment has no end")),
            }
        } else {
            return Ok(at);
        }
    }
}

/// The longest text that has an end: a doubled quote is one quote, unless nothing closes the text behind it.
fn string(text: &str, at: usize) -> Result<(Token<'_>, usize), ParseError> {
    let mut content = String::new();
    let mut next = at + 1;
    let mut complete = None;
    while let Some(quote) = text[next..].find('\'') {
        content.push_str(&text[next..next + quote]);
        next += quote + 1;
        complete = Some((content.len(), next));
        if !text[next..].starts_with('\'') {
            break;
        }
        content.push('\'');
        next += 1;
    }
    let (bytes, end) = complete.ok_or_else(|| ParseError::new(at, "the text has no closing quote"))?;
    content.truncate(bytes);
    Ok((Token::Text(content), end))
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn number(text: &str, at: usize) -> (Token<'_>, usize) {
    let rest = &text[at..];
    let whole = digits(rest);
    let mut end = whole;
    let mut is_float = false;
    if rest[end..].starts_with('.') {
        is_float = true;
        end += 1 + digits(&rest[end + 1..]);
    }
    if let Some(exponent) = rest[end..].strip_prefix(['e', 'E']) {
        let sign = usize::from(exponent.starts_with(['+', '-']));
        let count = digits(&exponent[sign..]);
        if count > 0 {
            is_float = true;
            end += 1 + sign + count;
        }
    }
    if is_float {
        // Zero is below the smallest positive double, and RocketMQ says so.
        let value =
            rest[..end].parse::<f64>().ok().filter(|value| value.is_finite() && *value >= f64::from_bits(1));
        return (value.map_or(Token::OutOfRange(&rest[..end]), Token::Float), at + end);
    }
    // A leading zero is a number of its own.
    let whole = if rest.starts_with('0') { 1 } else { whole };
    let suffix = usize::from(!rest.starts_with('0') && rest[whole..].starts_with(['l', 'L']));
    let token = match rest[..whole].parse::<i64>() {
        Ok(value) => i32::try_from(value).map_or(Token::Long(value), Token::Int),
        Err(_) => Token::OutOfRange(&rest[..whole]),
    };
    (token, at + whole + suffix)
}
