//! Evaluation by behaviour.md 8.4: properties are texts, constants decide how they are read.
//!
//! A value is what Java's evaluator would hold; `Err(Failed)` is where it would throw, and then nothing matches.

use std::cmp::Ordering;

use net::properties::Name;

/// One part of a filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Constant(Value),
    Property(Box<Name>),
    /// A property where a condition stands: it is a text, so never true.
    Flag(Box<Name>),
    Negative(Box<Node>),
    Not(Box<Node>),
    And(Box<(Node, Node)>),
    Or(Box<(Node, Node)>),
    Equal(Box<(Node, Node)>),
    IsNull(Box<Node>),
    Ordered(Order, Box<(Node, Node)>),
    Contains {
        of: Box<Node>,
        part: Box<str>,
        is_not: bool,
    },
    StartsWith {
        of: Box<Node>,
        part: Box<str>,
        is_not: bool,
    },
    EndsWith {
        of: Box<Node>,
        part: Box<str>,
        is_not: bool,
    },
    OneOf {
        name: Box<Name>,
        texts: Vec<Box<str>>,
        is_not: bool,
    },
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Truth(bool),
    Int(i32),
    Long(i64),
    Float(f64),
    Text(Box<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// What an expression is worth for one message.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Worth<'m> {
    Null,
    Truth(bool),
    Int(i32),
    Long(i64),
    Float(f64),
    Text(&'m str),
}

/// It cannot be evaluated for this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Failed;

impl Node {
    /// Whether it is a condition by its form.
    pub(super) fn is_condition(&self) -> bool {
        match self {
            Self::Constant(value) => matches!(value, Value::Truth(_) | Value::Null),
            Self::Property(_) | Self::Negative(_) => false,
            _ => true,
        }
    }
}

impl Value {
    /// Whether a lower bound of BETWEEN is above an upper one, or one of them is no number.
    pub(super) fn are_crossed(low: &Self, high: &Self) -> bool {
        let worth = |value: &Self| match value {
            Self::Int(number) => Worth::Int(*number),
            Self::Long(number) => Worth::Long(*number),
            Self::Float(number) => Worth::Float(*number),
            _ => Worth::Null,
        };
        !matches!(compare(worth(low), worth(high)), Ok(Some(Ordering::Less | Ordering::Equal)))
    }
}

pub(super) fn is_true<'m>(root: &'m Node, find: &impl Fn(&Name) -> Option<&'m str>) -> bool {
    worth(root, find) == Ok(Worth::Truth(true))
}

fn worth<'m>(node: &'m Node, find: &impl Fn(&Name) -> Option<&'m str>) -> Result<Worth<'m>, Failed> {
    let text = |name: &Name| find(name);
    Ok(match node {
        Node::Constant(value) => match value {
            Value::Null => Worth::Null,
            Value::Truth(truth) => Worth::Truth(*truth),
            Value::Int(number) => Worth::Int(*number),
            Value::Long(number) => Worth::Long(*number),
            Value::Float(number) => Worth::Float(*number),
            Value::Text(text) => Worth::Text(text),
        },
        Node::Property(name) => text(name).map_or(Worth::Null, Worth::Text),
        Node::Flag(name) => text(name).map_or(Worth::Null, |_| Worth::Truth(false)),
        Node::Negative(of) => match worth(of, find)? {
            Worth::Int(number) => Worth::Int(number.wrapping_neg()),
            Worth::Long(number) => Worth::Long(number.wrapping_neg()),
            Worth::Float(number) => Worth::Float(-number),
            _ => Worth::Null,
        },
        Node::Not(of) => truth(worth(of, find)?)?.map_or(Worth::Null, |truth| Worth::Truth(!truth)),
        Node::And(sides) => either(sides, false, find)?,
        Node::Or(sides) => either(sides, true, find)?,
        Node::Equal(sides) => match (worth(&sides.0, find)?, worth(&sides.1, find)?) {
            (Worth::Null, Worth::Null) => Worth::Truth(true),
            (Worth::Null, _) => Worth::Null,
            (_, Worth::Null) => Worth::Truth(false),
            (left, right) => Worth::Truth(compare(left, right)? == Some(Ordering::Equal)),
        },
        Node::IsNull(of) => Worth::Truth(worth(of, find)? == Worth::Null),
        Node::Ordered(order, sides) => match (worth(&sides.0, find)?, worth(&sides.1, find)?) {
            (Worth::Null, _) | (_, Worth::Null) => Worth::Null,
            (Worth::Text(left), Worth::Text(right)) => {
                let (left, right) = (Worth::Float(double(left)?), Worth::Float(double(right)?));
                Worth::Truth(order.holds(compare(left, right)?))
            }
            (left, right) => Worth::Truth(order.holds(compare(left, right)?)),
        },
        Node::Contains { of, part, is_not } => {
            part_of(worth(of, find)?, part, *is_not, |text| text.contains(&**part))
        }
        Node::StartsWith { of, part, is_not } => {
            part_of(worth(of, find)?, part, *is_not, |text| text.starts_with(&**part))
        }
        Node::EndsWith { of, part, is_not } => {
            part_of(worth(of, find)?, part, *is_not, |text| text.ends_with(&**part))
        }
        Node::OneOf { name, texts, is_not } => text(name)
            .map_or(Worth::Null, |text| Worth::Truth(texts.iter().any(|one| **one == *text) != *is_not)),
    })
}

/// What is no text, or an empty part, gives false for the negated forms too.
fn part_of<'m>(of: Worth<'_>, part: &str, is_not: bool, is_in: impl Fn(&str) -> bool) -> Worth<'m> {
    let Worth::Text(text) = of else { return Worth::Truth(false) };
    Worth::Truth(!part.is_empty() && is_in(text) != is_not)
}

/// Kleene's OR (`winner` true) and AND (`winner` false); the right side is evaluated only if the left does not decide.
fn either<'m>(
    sides: &'m (Node, Node),
    winner: bool,
    find: &impl Fn(&Name) -> Option<&'m str>,
) -> Result<Worth<'m>, Failed> {
    let left = truth(worth(&sides.0, find)?)?;
    if left == Some(winner) {
        return Ok(Worth::Truth(winner));
    }
    let right = truth(worth(&sides.1, find)?)?;
    Ok(match (left, right) {
        (_, Some(right)) if right == winner => Worth::Truth(winner),
        (Some(_), Some(_)) => Worth::Truth(!winner),
        _ => Worth::Null,
    })
}

fn truth(worth: Worth<'_>) -> Result<Option<bool>, Failed> {
    match worth {
        Worth::Null => Ok(None),
        Worth::Truth(truth) => Ok(Some(truth)),
        _ => Err(Failed),
    }
}

impl Order {
    fn holds(self, ordering: Option<Ordering>) -> bool {
        ordering.is_some_and(|ordering| match self {
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
        })
    }
}

/// Compares two values that are there; `None` if their kinds are never equal and in no order.
fn compare(left: Worth<'_>, right: Worth<'_>) -> Result<Option<Ordering>, Failed> {
    use Worth::{Float, Int, Long, Null, Text, Truth};
    Ok(match (left, right) {
        (Text(left), Text(right)) => Some(left.cmp(right)),
        (Truth(left), Truth(right)) => Some(left.cmp(&right)),
        (Int(left), Int(right)) => Some(left.cmp(&right)),
        (Int(left), Long(right)) => Some(i64::from(left).cmp(&right)),
        (Long(left), Int(right)) => Some(left.cmp(&i64::from(right))),
        (Long(left), Long(right)) => Some(left.cmp(&right)),
        (Float(left), Float(right)) => Some(order(left, right)),
        (Float(left), Int(right)) => Some(order(left, f64::from(right))),
        (Int(left), Float(right)) => Some(order(f64::from(left), right)),
        (Float(left), Long(right)) => Some(order(left, right as f64)),
        (Long(left), Float(right)) => Some(order(left as f64, right)),
        (Text(left), Int(right)) => Some(parse::<i32>(left)?.cmp(&right)),
        (Int(left), Text(right)) => Some(left.cmp(&parse::<i32>(right)?)),
        (Text(left), Long(right)) => Some(parse::<i64>(left)?.cmp(&right)),
        (Long(left), Text(right)) => Some(left.cmp(&parse::<i64>(right)?)),
        (Text(left), Float(right)) => Some(order(double(left)?, right)),
        (Float(left), Text(right)) => Some(order(left, double(right)?)),
        (Text(left), Truth(right)) => Some(left.eq_ignore_ascii_case("true").cmp(&right)),
        // Java casts the wrong side.
        (Truth(_), Text(_)) => return Err(Failed),
        (Truth(_), Int(_) | Long(_) | Float(_)) | (Int(_) | Long(_) | Float(_), Truth(_)) => None,
        (Null, _) | (_, Null) => None,
    })
}

/// `Double.compareTo`: zero has a sign, and NaN is equal to itself and above all others.
fn order(left: f64, right: f64) -> Ordering {
    match (left.is_nan(), right.is_nan()) {
        (false, false) => left.total_cmp(&right),
        (left, right) => left.cmp(&right),
    }
}

fn parse<N: std::str::FromStr>(text: &str) -> Result<N, Failed> {
    text.parse().map_err(|_| Failed)
}

/// `Double.valueOf`: blanks around it and a suffix `d` or `f` are allowed, and three names; Rust allows more names.
fn double(text: &str) -> Result<f64, Failed> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    match digits {
        "NaN" => return Ok(f64::NAN),
        "Infinity" => return Ok(sign * f64::INFINITY),
        _ => {}
    }
    let digits = digits.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(digits);
    let is_plain =
        digits.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'.' | b'e' | b'E' | b'+' | b'-'));
    let starts_well = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if !(is_plain && starts_well) {
        return Err(Failed);
    }
    parse::<f64>(digits).map(|number| sign * number)
}
