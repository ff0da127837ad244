//! A pickle machine that can only describe tensors.
//!
//! It knows the operations that `torch.save` writes (protocol 2, and 4 on request) and the dozen
//! names of [`Callable`]; whatever else a pickle asks for is refused by its name. It calls nothing.
//!
//! # Source
//!
//! `pickletools.py` of Python 3.11 for the operations; `torch/serialization.py` and
//! `torch/_utils.py` of `PyTorch` 2.15 for what is written with them.

use std::collections::HashMap;

use super::{
    rebuild,
    value::{Callable, Heap, MAX_OBJECTS, Reference, Value},
};
use crate::weights::PickleError;

type Result<T> = std::result::Result<T, PickleError>;

/// Entries of the stack; one that is deeper than this holds no state dictionary.
const MAX_STACK: usize = MAX_OBJECTS;

/// Reads a pickle, and returns its values and the top one; an error comes with its position.
pub(super) fn read(
    pickle: &[u8],
) -> std::result::Result<(Heap<'_>, Reference), (usize, PickleError)> {
    let mut machine = Machine {
        pickle,
        position: 0,
        heap: Heap::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        let position = machine.position;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(top)) => return Ok((machine.heap, top)),
            Err(problem) => return Err((position, problem)),
        }
    }
}

struct Machine<'a> {
    pickle: &'a [u8],
    position: usize,
    heap: Heap<'a>,
    stack: Vec<Reference>,
    /// Heights of the stack at which an open tuple, list or dictionary starts.
    marks: Vec<usize>,
    memo: HashMap<u32, Reference>,
}

impl<'a> Machine<'a> {
    /// Performs one operation; the last one yields the top value.
    fn step(&mut self) -> Result<Option<Reference>> {
        match self.byte()? {
            b'.' => return self.pop().map(Some),
            0x80 => self.skip(1)?,                            // PROTO
            0x95 => self.skip(8)?,                            // FRAME
            b'(' => self.mark()?,                             // MARK
            b'N' => self.push(Value::None)?,                  // NONE
            0x88 | 0x89 => self.push(Value::Bool)?,           // NEWTRUE, NEWFALSE
            b'K' => self.unsigned::<1>()?,                    // BININT1
            b'M' => self.unsigned::<2>()?,                    // BININT2
            b'J' => self.signed()?,                           // BININT
            0x8a => self.long()?,                             // LONG1
            b'G' => self.float()?,                            // BINFLOAT
            b'X' => self.text::<4>()?,                        // BINUNICODE
            0x8c => self.text::<1>()?,                        // SHORT_BINUNICODE
            b')' => self.push(Value::Tuple(Vec::new()))?,     // EMPTY_TUPLE
            b']' => self.push(Value::List(Vec::new()))?,      // EMPTY_LIST
            b'}' => self.push(Value::Dict(Vec::new()))?,      // EMPTY_DICT
            b't' => self.tuple_to_mark()?,                    // TUPLE
            count @ 0x85..=0x87 => self.tuple(count - 0x84)?, // TUPLE1, TUPLE2, TUPLE3
            b'a' => self.append()?,                           // APPEND
            b'e' => self.appends()?,                          // APPENDS
            b's' => self.set_item()?,                         // SETITEM
            b'u' => self.set_items()?,                        // SETITEMS
            b'q' => self.memoize_at::<1>()?,                  // BINPUT
            b'r' => self.memoize_at::<4>()?,                  // LONG_BINPUT
            0x94 => self.memoize()?,                          // MEMOIZE
            b'h' => self.recall::<1>()?,                      // BINGET
            b'j' => self.recall::<4>()?,                      // LONG_BINGET
            b'c' => self.global()?,                           // GLOBAL
            0x93 => self.stack_global()?,                     // STACK_GLOBAL
            b'Q' => self.storage()?,                          // BINPERSID
            b'R' => self.reduce()?,                           // REDUCE
            b'b' => self.build()?,                            // BUILD
            code => return Err(PickleError::Opcode { code }),
        }
        Ok(None)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let rest = &self.pickle[self.position..];
        let taken = rest.get(..length).ok_or(PickleError::Truncated)?;
        self.position += length;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn skip(&mut self, length: usize) -> Result<()> {
        self.take(length).map(drop)
    }

    /// Reads a little-endian number of up to four bytes.
    fn number<const BYTES: usize>(&mut self) -> Result<u32> {
        let bytes = self.take(BYTES)?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |number, &byte| number << 8 | u32::from(byte)))
    }

    fn line(&mut self) -> Result<&'a str> {
        let rest = &self.pickle[self.position..];
        let length = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or(PickleError::Truncated)?;
        let line = self.take(length)?;
        self.skip(1)?;
        str::from_utf8(line).map_err(|_| PickleError::NotUtf8)
    }

    fn push(&mut self, value: Value<'a>) -> Result<()> {
        let limit = MAX_OBJECTS;
        let reference = self
            .heap
            .keep(value)
            .ok_or(PickleError::TooManyObjects { limit })?;
        self.push_reference(reference)
    }

    fn push_reference(&mut self, reference: Reference) -> Result<()> {
        if self.stack.len() == MAX_STACK {
            return Err(PickleError::TooManyObjects { limit: MAX_STACK });
        }
        self.stack.push(reference);
        Ok(())
    }

    /// Takes the top of the stack, which must not lie below the innermost mark.
    fn pop(&mut self) -> Result<Reference> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let top = (self.stack.len() > floor)
            .then(|| self.stack.pop())
            .flatten();
        top.ok_or(PickleError::Operand {
            operation: "an operation",
            expected: "a value on the stack",
            found: "none",
        })
    }

    /// Looks at the top of the stack, under the same rule.
    fn top(&mut self) -> Result<Reference> {
        let top = self.pop()?;
        self.stack.push(top);
        Ok(top)
    }

    fn mark(&mut self) -> Result<()> {
        if self.marks.len() == MAX_STACK {
            return Err(PickleError::TooManyObjects { limit: MAX_STACK });
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Reference>> {
        let mark = self.marks.pop().ok_or(PickleError::Operand {
            operation: "the end of a container",
            expected: "a mark on the stack",
            found: "none",
        })?;
        Ok(self.stack.split_off(mark))
    }

    fn unsigned<const BYTES: usize>(&mut self) -> Result<()> {
        let number = self.number::<BYTES>()?;
        self.push(Value::Integer(number.into()))
    }

    fn signed(&mut self) -> Result<()> {
        let number = self.number::<4>()?.cast_signed();
        self.push(Value::Integer(number.into()))
    }

    fn long(&mut self) -> Result<()> {
        let length = self.byte()?;
        let bytes = self.take(length.into())?;
        if bytes.len() > 8 {
            return self.push(Value::OtherNumber);
        }
        let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        let mut number = if negative { [0xff; 8] } else { [0; 8] };
        number[..bytes.len()].copy_from_slice(bytes);
        self.push(Value::Integer(i64::from_le_bytes(number)))
    }

    fn float(&mut self) -> Result<()> {
        self.skip(8)?;
        self.push(Value::OtherNumber)
    }

    fn text<const BYTES: usize>(&mut self) -> Result<()> {
        let length = self.number::<BYTES>()?;
        // A length that this machine cannot address is past the end in any case.
        let bytes = self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        self.push(Value::Text(
            str::from_utf8(bytes).map_err(|_| PickleError::NotUtf8)?,
        ))
    }

    fn tuple_to_mark(&mut self) -> Result<()> {
        let items = self.pop_to_mark()?;
        self.push(Value::Tuple(items))
    }

    fn tuple(&mut self, count: u8) -> Result<()> {
        let mut items = Vec::with_capacity(count.into());
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Tuple(items))
    }

    fn append(&mut self) -> Result<()> {
        let item = self.pop()?;
        self.list()?.push(item);
        Ok(())
    }

    fn appends(&mut self) -> Result<()> {
        let mut items = self.pop_to_mark()?;
        self.list()?.append(&mut items);
        Ok(())
    }

    fn list(&mut self) -> Result<&mut Vec<Reference>> {
        let top = self.top()?;
        match self.heap.get_mut(top) {
            Value::List(items) => Ok(items),
            other => Err(operand("appending", "a list", other)),
        }
    }

    fn set_item(&mut self) -> Result<()> {
        let value = self.pop()?;
        let key = self.pop()?;
        self.dict()?.push((key, value));
        Ok(())
    }

    fn set_items(&mut self) -> Result<()> {
        let items = self.pop_to_mark()?;
        let (pairs, rest) = items.as_chunks();
        if !rest.is_empty() {
            let (expected, found) = ("a value for each key", "one key without");
            return Err(PickleError::Operand {
                operation: "setting items",
                expected,
                found,
            });
        }
        self.dict()?
            .extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    fn dict(&mut self) -> Result<&mut Vec<(Reference, Reference)>> {
        let top = self.top()?;
        match self.heap.get_mut(top) {
            Value::Dict(items) => Ok(items),
            other => Err(operand("setting items", "a dictionary", other)),
        }
    }

    fn memoize_at<const BYTES: usize>(&mut self) -> Result<()> {
        let slot = self.number::<BYTES>()?;
        let top = self.top()?;
        self.memo.insert(slot, top);
        Ok(())
    }

    fn memoize(&mut self) -> Result<()> {
        let top = self.top()?;
        let limit = MAX_OBJECTS;
        let slot = u32::try_from(self.memo.len());
        self.memo.insert(
            slot.map_err(|_| PickleError::TooManyObjects { limit })?,
            top,
        );
        Ok(())
    }

    fn recall<const BYTES: usize>(&mut self) -> Result<()> {
        let slot = self.number::<BYTES>()?;
        let reference = self.memo.get(&slot).copied().ok_or(PickleError::Operand {
            operation: "recalling a value",
            expected: "one that was memoized",
            found: "none",
        })?;
        self.push_reference(reference)
    }

    fn global(&mut self) -> Result<()> {
        let module = self.line()?;
        let name = self.line()?;
        self.push_callable(module, name)
    }

    fn stack_global(&mut self) -> Result<()> {
        let name = self.pop()?;
        let module = self.pop()?;
        match (self.heap.get(module), self.heap.get(name)) {
            (&Value::Text(module), &Value::Text(name)) => self.push_callable(module, name),
            (Value::Text(_), other) | (other, _) => Err(operand("a global", "two strings", other)),
        }
    }

    fn push_callable(&mut self, module: &str, name: &str) -> Result<()> {
        let forbidden = || PickleError::Forbidden {
            name: format!("{module}.{name}"),
        };
        self.push(Value::Callable(
            Callable::find(module, name).ok_or_else(forbidden)?,
        ))
    }

    fn storage(&mut self) -> Result<()> {
        let id = self.pop()?;
        let storage = rebuild::storage(&self.heap, id)?;
        self.push(Value::Storage(storage))
    }

    fn reduce(&mut self) -> Result<()> {
        let arguments = self.pop()?;
        let callable = self.pop()?;
        let arguments = match self.heap.get(arguments) {
            Value::Tuple(items) => items,
            other => return Err(operand("a call", "a tuple of arguments", other)),
        };
        match self.heap.get(callable) {
            Value::Callable(Callable::OrderedDict) if arguments.is_empty() => {
                self.push(Value::Dict(Vec::new()))
            }
            Value::Callable(Callable::OrderedDict) => Err(PickleError::Operand {
                operation: "making an OrderedDict",
                expected: "no arguments",
                found: "some",
            }),
            Value::Callable(Callable::RebuildTensor) => {
                let view = rebuild::tensor(&self.heap, arguments)?;
                self.push(Value::Tensor(Box::new(view)))
            }
            Value::Callable(Callable::RebuildParameter) => {
                let tensor = rebuild::parameter(&self.heap, arguments)?;
                self.push_reference(tensor)
            }
            other => Err(operand("a call", "a function", other)),
        }
    }

    /// Takes an object's state; only a dictionary of modules' versions is ever there, and ignored.
    fn build(&mut self) -> Result<()> {
        self.pop()?;
        let object = self.top()?;
        match self.heap.get(object) {
            Value::Dict(_) => Ok(()),
            other => Err(operand("setting an object's state", "a dictionary", other)),
        }
    }
}

/// Makes the error for a value of the wrong kind.
pub(super) fn operand(
    operation: &'static str,
    expected: &'static str,
    found: &Value<'_>,
) -> PickleError {
    PickleError::Operand {
        operation,
        expected,
        found: found.kind(),
    }
}
