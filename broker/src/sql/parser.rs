//! The grammar of behaviour.md 8.3, by recursive descent, with RocketMQ's checks of what may stand where.

use std::fmt;

use net::properties::Name;

use super::TEXT_MAX;
use super::evaluate::{Node, Order, Value};
use super::lexer::{Keyword, Symbol, Token, token};

/// Parentheses, NOTs and signs within each other, at most: bounds the stack, here and at evaluation.
const DEPTH_MAX: usize = 64;
/// Nodes of one filter: bounds the work per message.
const NODES_MAX: usize = 1_024;

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    at: usize,
    what: String,
}

impl ParseError {
    pub(super) fn new(at: usize, what: impl Into<String>) -> Self {
        Self { at, what: what.into() }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the filter cannot be understood at byte {}: {}", self.at, self.what)
    }
}

impl std::error::Error for ParseError {}

type Parsed = Result<Node, ParseError>;

struct Parser<'t> {
    text: &'t str,
    /// Start of the token under consideration.
    at: usize,
    depth: usize,
    nodes: usize,
}

pub(super) fn parse(text: &str) -> Parsed {
    if text.len() > TEXT_MAX {
        return Err(ParseError::new(
            TEXT_MAX,
            format!("{} bytes, the longest filter has {TEXT_MAX}", text.len()),
        ));
    }
    let mut parser = Parser { text, at: 0, depth: 0, nodes: 0 };
    let root = parser.or()?;
    // What follows is not looked at but for its first token, which tells that the expression ends here.
    parser.peek()?;
    parser.condition(root)
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Result<Token<'t>, ParseError> {
        token(self.text, self.at).map(|(token, _)| token)
    }

    fn take(&mut self) -> Result<Token<'t>, ParseError> {
        let (token, next) = token(self.text, self.at)?;
        self.at = next;
        Ok(token)
    }

    fn take_word(&mut self, keyword: Keyword) -> Result<bool, ParseError> {
        self.take_if(&Token::Word(keyword))
    }

    fn take_if(&mut self, wanted: &Token<'_>) -> Result<bool, ParseError> {
        let (token, next) = token(self.text, self.at)?;
        let is_it = token == *wanted;
        if is_it {
            self.at = next;
        }
        Ok(is_it)
    }

    fn expect(&mut self, wanted: &Token<'_>, name: &str) -> Result<(), ParseError> {
        if self.take_if(wanted)? { Ok(()) } else { Err(self.error(format!("{name} expected"))) }
    }

    fn error(&self, what: impl Into<String>) -> ParseError {
        ParseError::new(self.at, what)
    }

    fn node(&mut self, node: Node) -> Parsed {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(self.error(format!("more than {NODES_MAX} parts")));
        }
        Ok(node)
    }

    /// `node` where a condition must stand.
    fn condition(&self, node: Node) -> Parsed {
        match node {
            Node::Property(name) => Ok(Node::Flag(name)),
            node if node.is_condition() => Ok(node),
            _ => Err(self.error("a condition must stand here, not a value")),
        }
    }

    fn or(&mut self) -> Parsed {
        let mut left = self.and()?;
        while self.take_word(Keyword::Or)? {
            let right = self.and()?;
            let sides = Box::new((self.condition(left)?, self.condition(right)?));
            left = self.node(Node::Or(sides))?;
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed {
        let mut left = self.equality()?;
        while self.take_word(Keyword::And)? {
            let right = self.equality()?;
            let sides = Box::new((self.condition(left)?, self.condition(right)?));
            left = self.node(Node::And(sides))?;
        }
        Ok(left)
    }

    fn equality(&mut self) -> Parsed {
        let mut left = self.comparison()?;
        loop {
            if self.take_if(&Token::Symbol(Symbol::Equal))? {
                left = self.equal(left)?;
            } else if self.take_if(&Token::Symbol(Symbol::NotEqual))? {
                let equal = self.equal(left)?;
                left = self.node(Node::Not(Box::new(equal)))?;
            } else if self.take_word(Keyword::Is)? {
                let is_not = self.take_word(Keyword::Not)?;
                self.expect(&Token::Word(Keyword::Null), "NULL")?;
                left = self.node(Node::IsNull(Box::new(left)))?;
                if is_not {
                    left = self.node(Node::Not(Box::new(left)))?;
                }
            } else {
                return Ok(left);
            }
        }
    }

    fn equal(&mut self, left: Node) -> Parsed {
        let right = self.comparison()?;
        for side in [&left, &right] {
            if matches!(side, Node::Constant(Value::Null)) {
                return Err(self.error("NULL cannot be compared; write IS NULL"));
            }
        }
        let (Node::Constant(a), Node::Constant(b)) = (&left, &right) else {
            return self.node(Node::Equal(Box::new((left, right))));
        };
        if matches!(a, Value::Truth(_)) && !matches!(b, Value::Truth(_)) {
            return Err(self.error("a truth value cannot be compared with this"));
        }
        self.node(Node::Equal(Box::new((left, right))))
    }

    fn comparison(&mut self) -> Parsed {
        let mut left = self.unary()?;
        loop {
            let order = match self.peek()? {
                Token::Symbol(Symbol::Greater) => Order::Greater,
                Token::Symbol(Symbol::GreaterOrEqual) => Order::GreaterOrEqual,
                Token::Symbol(Symbol::Less) => Order::Less,
                Token::Symbol(Symbol::LessOrEqual) => Order::LessOrEqual,
                Token::Word(_) => match self.worded(left)? {
                    (node, true) => {
                        left = node;
                        continue;
                    }
                    (node, false) => return Ok(node),
                },
                _ => return Ok(left),
            };
            self.take()?;
            let right = self.unary()?;
            left = self.ordered(order, left, right)?;
        }
    }

    /// `[NOT] CONTAINS | STARTSWITH | ENDSWITH | BETWEEN | IN`; false if the words do not begin one of these.
    fn worded(&mut self, left: Node) -> Result<(Node, bool), ParseError> {
        let is_not = self.take_word(Keyword::Not)?;
        let (word, next) = token(self.text, self.at)?;
        let node = match word {
            Token::Word(word @ (Keyword::Contains | Keyword::StartsWith | Keyword::EndsWith)) => {
                self.at = next;
                self.part_of(word, left, is_not)?
            }
            Token::Word(Keyword::Between) => {
                self.at = next;
                self.between(left, is_not)?
            }
            Token::Word(Keyword::In) => {
                self.at = next;
                self.one_of(left, is_not)?
            }
            _ if is_not => return Err(self.error("CONTAINS, STARTSWITH, ENDSWITH, BETWEEN or IN expected")),
            _ => return Ok((left, false)),
        };
        Ok((node, true))
    }

    fn ordered(&mut self, order: Order, left: Node, right: Node) -> Parsed {
        for side in [&left, &right] {
            let is_number = matches!(side, Node::Constant(Value::Int(_) | Value::Long(_) | Value::Float(_)));
            if !is_number && (matches!(side, Node::Constant(_)) || side.is_condition()) {
                return Err(self.error("only numbers and properties can be compared by size"));
            }
        }
        self.node(Node::Ordered(order, Box::new((left, right))))
    }

    fn part_of(&mut self, word: Keyword, left: Node, is_not: bool) -> Parsed {
        let of = Box::new(left);
        let Token::Text(part) = self.take()? else {
            return Err(self.error("a text in single quotes expected"));
        };
        let part = part.into();
        self.node(match word {
            Keyword::Contains => Node::Contains { of, part, is_not },
            Keyword::StartsWith => Node::StartsWith { of, part, is_not },
            _ => Node::EndsWith { of, part, is_not },
        })
    }

    fn between(&mut self, value: Node, is_not: bool) -> Parsed {
        let low = self.unary()?;
        self.expect(&Token::Word(Keyword::And), "AND")?;
        let high = self.unary()?;
        if let (Node::Constant(low), Node::Constant(high), false) = (&low, &high, is_not)
            && Value::are_crossed(low, high)
        {
            return Err(self.error("the bounds of BETWEEN must be numbers, the lower one first"));
        }
        let (below, above) =
            if is_not { (Order::Less, Order::Greater) } else { (Order::GreaterOrEqual, Order::LessOrEqual) };
        let low = self.ordered(below, value.clone(), low)?;
        let high = self.ordered(above, value, high)?;
        let sides = Box::new((low, high));
        self.node(if is_not { Node::Or(sides) } else { Node::And(sides) })
    }

    fn one_of(&mut self, left: Node, is_not: bool) -> Parsed {
        let name = self.property(left)?;
        self.expect(&Token::Symbol(Symbol::Open), "(")?;
        let mut texts = Vec::new();
        loop {
            let Token::Text(text) = self.take()? else {
                return Err(self.error("a text in single quotes expected"));
            };
            texts.push(text.into());
            if !self.take_if(&Token::Symbol(Symbol::Comma))? {
                break;
            }
        }
        self.expect(&Token::Symbol(Symbol::Close), ")")?;
        self.node(Node::OneOf { name, texts, is_not })
    }

    fn property(&self, node: Node) -> Result<Box<Name>, ParseError> {
        match node {
            Node::Property(name) => Ok(name),
            _ => Err(self.error("the left side must be a property")),
        }
    }

    fn unary(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error(format!("more than {DEPTH_MAX} levels of nesting")));
        }
        let node = match self.peek()? {
            Token::Symbol(Symbol::Plus) => {
                self.take()?;
                self.unary()?
            }
            Token::Symbol(Symbol::Minus) => {
                self.take()?;
                let of = self.unary()?;
                self.node(Node::Negative(Box::new(of)))?
            }
            Token::Word(Keyword::Not) => {
                self.take()?;
                let of = self.unary()?;
                let of = self.condition(of)?;
                self.node(Node::Not(Box::new(of)))?
            }
            _ => self.primary()?,
        };
        self.depth -= 1;
        Ok(node)
    }

    fn primary(&mut self) -> Parsed {
        let value = match self.take()? {
            Token::Symbol(Symbol::Open) => {
                let inner = self.or()?;
                self.expect(&Token::Symbol(Symbol::Close), ")")?;
                return Ok(inner);
            }
            Token::Name(name) => return self.node(Node::Property(Box::new(Name::new(name)))),
            Token::Text(text) => Value::Text(text.into()),
            Token::Int(number) => Value::Int(number),
            Token::Long(number) => Value::Long(number),
            Token::Float(number) => Value::Float(number),
            Token::OutOfRange(number) => {
                return Err(self.error(format!("{number} is beyond the range of numbers")));
            }
            Token::Word(Keyword::True) => Value::Truth(true),
            Token::Word(Keyword::False) => Value::Truth(false),
            Token::Word(Keyword::Null) => Value::Null,
            _ => return Err(self.error("a value, a property or ( expected")),
        };
        self.node(Node::Constant(value))
    }
}
