//! Samples of regular expressions: literals, classes, groups, alternatives, quantifiers. Look-arounds, back references
//! and anchors in the middle are skipped.

use std::iter::Peekable;
use std::str::Chars;

use super::super::dice::Dice;

const NESTING: usize = 40;
const REPEAT_LIMIT: usize = 2_000;
/// Nodes written in one sample; the rest is left out.
const STEPS: usize = 40_000;
/// Candidates for `.` and negated classes.
const PRINTABLE: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. :/@#!";

#[derive(Debug)]
enum Node {
    Empty,
    One(char),
    Class { ranges: Vec<(char, char)>, negated: bool },
    Sequence(Vec<Node>),
    Alternatives(Vec<Node>),
    Repeat { node: Box<Node>, least: usize, most: Option<usize> },
}

/// A text that `expression` matches.
pub(super) fn sample(expression: &str, dice: &mut Dice) -> String {
    sample_longer(expression, 0, dice)
}

/// A text that `expression` matches, its open repetitions stretched towards `least` characters.
pub(super) fn sample_longer(expression: &str, least: usize, dice: &mut Dice) -> String {
    let node = Parser { rest: expression.chars().peekable(), depth: 0 }.alternatives();
    let mut writer = Writer { dice, out: String::new(), steps: STEPS };
    writer.write(&node, least);
    writer.out
}

/// Whether `name` looks like a match: only exact prefixes and suffixes of plain characters are compared.
pub(super) fn might_match(expression: &str, name: &str) -> bool {
    let anchored = expression.strip_prefix('^');
    let plain: String =
        anchored.unwrap_or(expression).chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if anchored.is_some() { name.starts_with(&plain) } else { name.contains(&plain) }
}

struct Writer<'a> {
    dice: &'a mut Dice,
    out: String,
    steps: usize,
}

impl Writer<'_> {
    fn write(&mut self, node: &Node, least: usize) {
        if self.steps == 0 {
            return;
        }
        self.steps -= 1;
        match node {
            Node::Empty => {}
            Node::One(c) => self.out.push(*c),
            Node::Class { ranges, negated } => {
                let c = member(ranges, *negated, self.dice);
                self.out.push(c);
            }
            Node::Sequence(nodes) => nodes.iter().for_each(|node| self.write(node, least)),
            Node::Alternatives(nodes) => {
                let chosen = self.dice.below(nodes.len());
                nodes.get(chosen).into_iter().for_each(|node| self.write(node, least));
            }
            Node::Repeat { node, least: few, most } => {
                let stretch = few + self.dice.below(3) + least.saturating_sub(self.out.chars().count());
                let times = most.map_or(stretch, |most| stretch.min(most)).max(*few).min(REPEAT_LIMIT);
                for _ in 0..times {
                    if self.steps == 0 {
                        return;
                    }
                    self.write(node, 0);
                }
            }
        }
    }
}

fn member(ranges: &[(char, char)], negated: bool, dice: &mut Dice) -> char {
    let contains = |c: char| ranges.iter().any(|(low, high)| (*low..=*high).contains(&c));
    if negated {
        let allowed: Vec<char> = PRINTABLE.chars().filter(|c| !contains(*c)).collect();
        return dice.pick(&allowed).copied().unwrap_or('~');
    }
    let Some((low, high)) = dice.pick(ranges) else { return 'a' };
    let span = (*high as u32).saturating_sub(*low as u32);
    let offset = u32::try_from(dice.below(usize::try_from(span).unwrap_or(0) + 1)).unwrap_or(0);
    char::from_u32(*low as u32 + offset).unwrap_or(*low)
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    depth: usize,
}

impl Parser<'_> {
    fn alternatives(&mut self) -> Node {
        let mut all = vec![self.sequence()];
        while self.rest.next_if_eq(&'|').is_some() {
            all.push(self.sequence());
        }
        if all.len() == 1 { all.pop().unwrap_or(Node::Empty) } else { Node::Alternatives(all) }
    }

    fn sequence(&mut self) -> Node {
        let mut nodes = Vec::new();
        // Outside of groups a bracket closes nothing and is an atom, so that parsing always ends.
        let outside = self.depth == 0;
        while self.rest.peek().is_some_and(|c| *c != '|' && (*c != ')' || outside)) {
            let atom = self.atom();
            nodes.push(self.repeated(atom));
        }
        Node::Sequence(nodes)
    }

    fn atom(&mut self) -> Node {
        match self.rest.next() {
            None | Some('^' | '$' | ')') => Node::Empty,
            Some('.') => Node::Class { ranges: Vec::new(), negated: true },
            Some('[') => self.class(),
            Some('(') => self.group(),
            Some('\\') => self.escape(),
            Some(c) => Node::One(c),
        }
    }

    fn group(&mut self) -> Node {
        let mut skipped = false;
        if self.rest.next_if_eq(&'?').is_some() {
            match self.rest.next() {
                Some('=' | '!') => skipped = true,
                // `(?<name>` names a group, `(?<=` and `(?<!` look behind.
                Some('<' | 'P') => {
                    let _ = self.rest.next_if_eq(&'<');
                    skipped = self.rest.peek().is_some_and(|c| matches!(c, '=' | '!'));
                    while !skipped && self.rest.next().is_some_and(|c| c != '>') {}
                }
                Some(':') | None => {}
                // Flags such as `(?i)` and `(?i:`.
                Some(_) => {
                    while self.rest.next_if(|c| c.is_alphabetic() || *c == '-').is_some() {}
                    let _ = self.rest.next_if_eq(&':');
                }
            }
        }
        self.depth += 1;
        let inner = if self.depth > NESTING { self.skip() } else { self.alternatives() };
        self.depth -= 1;
        let _ = self.rest.next_if_eq(&')');
        if skipped { Node::Empty } else { inner }
    }

    fn skip(&mut self) -> Node {
        while self.rest.next_if(|c| *c != ')').is_some() {}
        Node::Empty
    }

    fn class(&mut self) -> Node {
        let negated = self.rest.next_if_eq(&'^').is_some();
        let mut ranges = Vec::new();
        while let Some(c) = self.rest.next() {
            match c {
                ']' if !ranges.is_empty() => break,
                '\\' => self.class_escape(&mut ranges),
                low => {
                    let high = self.range_end(low);
                    ranges.push((low, high));
                }
            }
        }
        Node::Class { ranges, negated }
    }

    fn class_escape(&mut self, ranges: &mut Vec<(char, char)>) {
        let escaped = self.escape();
        if let Node::One(low) = escaped {
            let high = self.range_end(low);
            ranges.push((low, high));
        } else if let Node::Class { ranges: inner, negated: false } = escaped {
            ranges.extend(inner);
        }
    }

    fn range_end(&mut self, low: char) -> char {
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') {
            return low;
        }
        let high = match ahead.next() {
            None | Some(']') => return low,
            Some('\\') => {
                self.rest = ahead;
                // A class as the end of a range is no range: the bounds fall together.
                return if let Node::One(high) = self.escape() { high.max(low) } else { low };
            }
            Some(high) => high,
        };
        self.rest = ahead;
        high.max(low)
    }

    fn escape(&mut self) -> Node {
        let class = |ranges: &[(char, char)], negated| Node::Class { ranges: ranges.to_vec(), negated };
        const WORD: [(char, char); 4] = [('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')];
        match self.rest.next() {
            Some('d') => class(&[('0', '9')], false),
            Some('D') => class(&[('0', '9')], true),
            Some('w') => class(&WORD, false),
            Some('W') => class(&WORD, true),
            Some('s') => class(&[(' ', ' ')], false),
            Some('S') => class(&[(' ', ' ')], true),
            Some('p' | 'P') => self.property(),
            Some('n') => Node::One('\n'),
            Some('r') => Node::One('\r'),
            Some('t') => Node::One('\t'),
            Some('u') => self.code(4),
            Some('x') => self.code(2),
            None | Some('b' | 'B' | 'A' | 'z' | 'Z' | '1'..='9') => Node::Empty,
            Some(other) => Node::One(other),
        }
    }

    /// `\p{..}`: capital letters for `Lu`, digits for `N`, else small letters.
    fn property(&mut self) -> Node {
        let mut name = String::new();
        if self.rest.next_if_eq(&'{').is_some() {
            while let Some(c) = self.rest.next().filter(|c| *c != '}') {
                name.push(c);
            }
        }
        let range = match name.as_str() {
            "Lu" => ('A', 'Z'),
            "N" | "Nd" => ('0', '9'),
            _ => ('a', 'z'),
        };
        Node::Class { ranges: vec![range], negated: false }
    }

    fn code(&mut self, digits: usize) -> Node {
        let mut value = 0;
        for _ in 0..digits {
            let Some(digit) = self.rest.next_if(char::is_ascii_hexdigit).and_then(|c| c.to_digit(16)) else { break };
            value = value * 16 + digit;
        }
        char::from_u32(value).map_or(Node::Empty, Node::One)
    }

    fn repeated(&mut self, atom: Node) -> Node {
        let (least, most) = match self.rest.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => match self.braces() {
                Some(bounds) => return self.finish(atom, bounds),
                None => return atom,
            },
            _ => return atom,
        };
        self.rest.next();
        self.finish(atom, (least, most))
    }

    fn finish(&mut self, atom: Node, (least, most): (usize, Option<usize>)) -> Node {
        // Lazy and possessive marks change nothing for a sample.
        let _ = self.rest.next_if(|c| matches!(c, '?' | '+'));
        Node::Repeat { node: Box::new(atom), least, most }
    }

    /// `{n}`, `{n,}`, `{n,m}`; anything else is left alone as plain text.
    fn braces(&mut self) -> Option<(usize, Option<usize>)> {
        let mut ahead = self.rest.clone();
        ahead.next();
        let inside: String = ahead.by_ref().take_while(|c| *c != '}').take(16).collect();
        let bounds = match inside.split_once(',') {
            None => inside.parse().ok().map(|n| (n, Some(n))),
            Some((least, "")) => least.parse().ok().map(|n| (n, None)),
            Some((least, most)) => least.parse().ok().zip(most.parse().ok().map(Some)),
        };
        if bounds.is_some() {
            self.rest = ahead;
        }
        bounds
    }
}
