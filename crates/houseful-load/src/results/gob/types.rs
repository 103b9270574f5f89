//! The types that a stream defines, and values of them, byte by byte.

use std::collections::HashMap;

use super::{basic, wire_type};
use crate::results::text::push_lossy;

/// How deep types may be nested in each other.
const DEPTH_MAX: usize = 32;

/// How many types a stream may define at once, and fields a type.
const TYPES_MAX: usize = 1_000;

/// What is wrong with a message, in words.
pub(super) type Fault = String;

/// The rest of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn uint(&mut self) -> Result<u64, Fault> {
        let (value, rest) = uint(self.0)?.ok_or_else(ends)?;
        self.0 = rest;
        Ok(value)
    }

    pub(super) fn int(&mut self) -> Result<i64, Fault> {
        let value = self.uint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A number of bytes and these.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let len = self.uint()?;
        let len = usize::try_from(len).ok().filter(|len| *len <= self.0.len()).ok_or_else(ends)?;
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        Ok(bytes)
    }

    /// Appends a text, which Go does not promise to be UTF-8.
    pub(super) fn text_into(&mut self, to: &mut String) -> Result<(), Fault> {
        push_lossy(to, self.bytes()?);
        Ok(())
    }

    pub(super) fn text(&mut self) -> Result<String, Fault> {
        let mut text = String::new();
        self.text_into(&mut text)?;
        Ok(text)
    }

    /// A number of elements: each of them has at least a byte.
    pub(super) fn count(&mut self) -> Result<usize, Fault> {
        let count = self.uint()?;
        usize::try_from(count).ok().filter(|count| *count <= self.0.len()).ok_or_else(ends)
    }

    /// The next field of a struct, of which `field` (−1 at first) was the last; `None` at its end.
    pub(super) fn next_field(&mut self, field: i64) -> Result<Option<i64>, Fault> {
        match self.uint()? {
            0 => Ok(None),
            step => i64::try_from(step)
                .ok()
                .and_then(|step| field.checked_add(step))
                .map(Some)
                .ok_or_else(|| format!("field {field} + {step} is none")),
        }
    }
}

fn ends() -> Fault {
    "it ends inside a value".to_owned()
}

/// The first number in `bytes` and what follows it; `None` if they end before it does.
pub(super) fn uint(bytes: &[u8]) -> Result<Option<(u64, &[u8])>, Fault> {
    let Some((first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    if *first < 128 {
        return Ok(Some((u64::from(*first), rest)));
    }
    let len = usize::from(first.wrapping_neg());
    if len > 8 {
        return Err(format!("a number of {len} bytes, which are at most 8"));
    }
    Ok(rest.split_at_checked(len).map(|(bytes, rest)| {
        (bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)), rest)
    }))
}

/// A type that the stream has defined.
#[derive(Debug, Clone)]
pub(super) enum Type {
    /// Arrays, too: their elements are counted all the same.
    Slice(i64),
    Map {
        key: i64,
        element: i64,
    },
    Struct(Vec<(String, i64)>),
    /// Whatever writes its own bytes.
    Opaque,
}

/// All that it has defined so far; a later definition of the same number replaces the earlier one,
/// since two streams may follow each other.
#[derive(Debug, Default)]
pub(super) struct Types(HashMap<i64, Type>);

impl Types {
    pub(super) fn get(&self, id: i64) -> Option<&Type> {
        self.0.get(&id)
    }

    /// Reads the definition of the type `id`.
    pub(super) fn define(&mut self, id: i64, mut from: Bytes<'_>) -> Result<(), Fault> {
        let kind = from.next_field(-1)?.ok_or("a type without a kind")?;
        let kind = u64::try_from(kind).unwrap_or(u64::MAX);
        let defined = match kind {
            wire_type::ARRAY | wire_type::SLICE => {
                Type::Slice(numbers(&mut from)?[0].ok_or("a list without a type of its elements")?)
            }
            wire_type::MAP => {
                let [key, element] = numbers(&mut from)?;
                let missing = "a map without types of its keys and elements";
                Type::Map { key: key.ok_or(missing)?, element: element.ok_or(missing)? }
            }
            wire_type::STRUCT => Type::Struct(fields(&mut from)?),
            wire_type::GOB_ENCODER | wire_type::BINARY_MARSHALER | wire_type::TEXT_MARSHALER => {
                Type::Opaque
            }
            kind => return Err(format!("a type of the unknown kind {kind}")),
        };
        if self.0.len() >= TYPES_MAX {
            return Err(format!("more than {TYPES_MAX} types"));
        }
        self.0.insert(id, defined);
        Ok(())
    }

    /// Skips a value of the type `id`.
    pub(super) fn skip(&self, id: i64, from: &mut Bytes<'_>) -> Result<(), Fault> {
        self.skip_within(id, from, DEPTH_MAX)
    }

    fn skip_within(&self, id: i64, from: &mut Bytes<'_>, depth: usize) -> Result<(), Fault> {
        let depth = depth.checked_sub(1).ok_or("types nested too deeply")?;
        match id {
            basic::BOOL | basic::INT | basic::UINT | basic::FLOAT => from.uint().map(drop),
            basic::COMPLEX => from.uint().and_then(|_| from.uint()).map(drop),
            basic::BYTES | basic::STRING => from.bytes().map(drop),
            basic::INTERFACE => {
                if !from.bytes()?.is_empty() {
                    from.int()?;
                    from.bytes()?;
                }
                Ok(())
            }
            _ => match self.get(id).ok_or_else(|| format!("a value of the undefined type {id}"))? {
                Type::Opaque => from.bytes().map(drop),
                Type::Slice(element) => {
                    for _ in 0..from.count()? {
                        self.skip_within(*element, from, depth)?;
                    }
                    Ok(())
                }
                Type::Map { key, element } => {
                    for _ in 0..from.count()? {
                        self.skip_within(*key, from, depth)?;
                        self.skip_within(*element, from, depth)?;
                    }
                    Ok(())
                }
                Type::Struct(fields) => {
                    let mut field = -1;
                    while let Some(next) = from.next_field(field)? {
                        field = next;
                        let (_, id) = usize::try_from(field)
                            .ok()
                            .and_then(|field| fields.get(field))
                            .ok_or_else(|| format!("field {field} of {}", fields.len()))?;
                        self.skip_within(*id, from, depth)?;
                    }
                    Ok(())
                }
            },
        }
    }
}

/// The numbers behind a type's name: what its elements are. (Of an array also its length.)
fn numbers(from: &mut Bytes<'_>) -> Result<[Option<i64>; 2], Fault> {
    let mut numbers = [None; 2];
    let mut field = -1;
    while let Some(next) = from.next_field(field)? {
        field = next;
        match field {
            0 => common_type(from)?,
            1 | 2 => numbers[field as usize - 1] = Some(from.int()?),
            field => return Err(format!("a type with an unknown field {field}")),
        }
    }
    Ok(numbers)
}

fn common_type(from: &mut Bytes<'_>) -> Result<(), Fault> {
    let mut field = -1;
    while let Some(next) = from.next_field(field)? {
        field = next;
        match field {
            0 => from.bytes().map(drop)?,
            1 => from.int().map(drop)?,
            field => return Err(format!("a type's name with an unknown field {field}")),
        }
    }
    Ok(())
}

fn fields(from: &mut Bytes<'_>) -> Result<Vec<(String, i64)>, Fault> {
    let mut fields = Vec::new();
    let mut part = -1;
    while let Some(next) = from.next_field(part)? {
        part = next;
        match part {
            0 => common_type(from)?,
            1 => {
                let count = from.count()?;
                if count > TYPES_MAX {
                    return Err(format!("a type of {count} fields"));
                }
                for _ in 0..count {
                    fields.push(field(from)?);
                }
            }
            part => return Err(format!("a type with an unknown field {part}")),
        }
    }
    Ok(fields)
}

fn field(from: &mut Bytes<'_>) -> Result<(String, i64), Fault> {
    let (mut name, mut id) = (String::new(), 0);
    let mut part = -1;
    while let Some(next) = from.next_field(part)? {
        part = next;
        match part {
            0 => name = from.text()?,
            1 => id = from.int()?,
            part => return Err(format!("a field with an unknown part {part}")),
        }
    }
    Ok((name, id))
}
