//! A pickle machine that can only describe tensors.
//!
//! It knows the operations that `torch.save` writes (protocol 2, and 4 on request) and the dozen
//! names of [`Callable`]; whatever else a pickle asks for is refused by its name. It calls nothing: objects
//! that are known to lie beside weights, such as logged numbers, are passed over.
//!
//! # Source
//!
//! `pickletools.py` of Python 3.11 for the operations; `torch/serialization.py` and
//! `torch/_utils.py` of `PyTorch` 2.15 for what is written with them.

use std::collections::HashMap;

use super::{
    cursor::Cursor,
    rebuild,
    stack::Stack,
    value::{Callable, Heap, MAX_OBJECTS, Reference, Value},
};
use crate::weights::PickleError;

type Result<T> = std::result::Result<T, PickleError>;

/// Reads a pickle, and returns its values, the top one, and how many bytes it has; an error comes with its
/// position.
pub(super) fn read(
    pickle: &[u8],
) -> std::result::Result<(Heap<'_>, Reference, usize), (usize, PickleError)> {
    let mut machine = Machine {
        cursor: Cursor::new(pickle),
        heap: Heap::default(),
        stack: Stack::default(),
        memo: HashMap::new(),
    };
    loop {
        let position = machine.cursor.position();
        match machine.step() {
            Ok(None) => {}
            Ok(Some(top)) => return Ok((machine.heap, top, machine.cursor.position())),
            Err(problem) => return Err((position, problem)),
        }
    }
}

struct Machine<'a> {
    cursor: Cursor<'a>,
    heap: Heap<'a>,
    stack: Stack,
    memo: HashMap<u32, Reference>,
}

impl<'a> Machine<'a> {
    /// Performs one operation; the last one yields the top value.
    fn step(&mut self) -> Result<Option<Reference>> {
        match self.cursor.byte()? {
            b'.' => return self.stack.pop().map(Some),
            0x80 => self.cursor.skip(1)?,    // PROTO
            0x95 => self.cursor.skip(8)?,    // FRAME
            b'(' => self.stack.mark()?,      // MARK
            b'N' => self.push(Value::None)?, // NONE
            code @ (0x88 | 0x89) => self.push(Value::Bool(code == 0x88))?, // NEWTRUE, NEWFALSE
            b'K' => self.unsigned::<1>()?,   // BININT1
            b'M' => self.unsigned::<2>()?,   // BININT2
            b'J' => self.signed()?,          // BININT
            0x8a => self.long()?,            // LONG1
            b'G' => self.float()?,           // BINFLOAT
            b'X' => self.text::<4>()?,       // BINUNICODE
            0x8c => self.text::<1>()?,       // SHORT_BINUNICODE
            b')' => self.push(Value::Tuple(Vec::new()))?, // EMPTY_TUPLE
            b']' => self.push(Value::List(Vec::new()))?, // EMPTY_LIST
            b'}' => self.push(Value::Dict(Vec::new()))?, // EMPTY_DICT
            b't' => self.tuple_to_mark()?,   // TUPLE
            count @ 0x85..=0x87 => self.tuple(count - 0x84)?, // TUPLE1, TUPLE2, TUPLE3
            b'a' => self.append()?,          // APPEND
            b'e' => self.appends()?,         // APPENDS
            b's' => self.set_item()?,        // SETITEM
            b'u' => self.set_items()?,       // SETITEMS
            b'q' => self.memoize_at::<1>()?, // BINPUT
            b'r' => self.memoize_at::<4>()?, // LONG_BINPUT
            0x94 => self.memoize()?,         // MEMOIZE
            b'h' => self.recall::<1>()?,     // BINGET
            b'j' => self.recall::<4>()?,     // LONG_BINGET
            b'c' => self.global()?,          // GLOBAL
            0x93 => self.stack_global()?,    // STACK_GLOBAL
            b'Q' => self.storage()?,         // BINPERSID
            b'R' => self.reduce()?,          // REDUCE
            0x81 => self.new_object()?,      // NEWOBJ
            b'b' => self.build()?,           // BUILD
            code => return Err(PickleError::Opcode { code }),
        }
        Ok(None)
    }

    fn push(&mut self, value: Value<'a>) -> Result<()> {
        let limit = MAX_OBJECTS;
        let reference = self
            .heap
            .keep(value)
            .ok_or(PickleError::TooManyObjects { limit })?;
        self.stack.push(reference)
    }

    fn unsigned<const BYTES: usize>(&mut self) -> Result<()> {
        let number = self.cursor.number::<BYTES>()?;
        self.push(Value::Integer(number.into()))
    }

    fn signed(&mut self) -> Result<()> {
        let number = self.cursor.number::<4>()?.cast_signed();
        self.push(Value::Integer(number.into()))
    }

    fn long(&mut self) -> Result<()> {
        let number = self.cursor.long()?;
        self.push(number.map_or(Value::OtherNumber, Value::Integer))
    }

    fn float(&mut self) -> Result<()> {
        self.cursor.skip(8)?;
        self.push(Value::OtherNumber)
    }

    fn text<const BYTES: usize>(&mut self) -> Result<()> {
        let text = self.cursor.text::<BYTES>()?;
        self.push(Value::Text(text))
    }

    fn tuple_to_mark(&mut self) -> Result<()> {
        let items = self.stack.pop_to_mark()?;
        self.push(Value::Tuple(items))
    }

    fn tuple(&mut self, count: u8) -> Result<()> {
        let items = self.stack.pop_many(count)?;
        self.push(Value::Tuple(items))
    }

    fn append(&mut self) -> Result<()> {
        let item = self.stack.pop()?;
        self.extend_list(vec![item])
    }

    fn appends(&mut self) -> Result<()> {
        let items = self.stack.pop_to_mark()?;
        self.extend_list(items)
    }

    fn extend_list(&mut self, mut items: Vec<Reference>) -> Result<()> {
        match self.heap.get_mut(self.stack.top()?) {
            Value::List(list) => list.append(&mut items),
            Value::Bystander => {}
            other => return Err(operand("appending", "a list", other)),
        }
        Ok(())
    }

    fn set_item(&mut self) -> Result<()> {
        let value = self.stack.pop()?;
        let key = self.stack.pop()?;
        self.extend_dict(&[[key, value]])
    }

    fn set_items(&mut self) -> Result<()> {
        let items = self.stack.pop_to_mark()?;
        let (pairs, rest) = items.as_chunks();
        if !rest.is_empty() {
            let (expected, found) = ("a value for each key", "one key without");
            return Err(PickleError::Operand {
                operation: "setting items",
                expected,
                found,
            });
        }
        self.extend_dict(pairs)
    }

    fn extend_dict(&mut self, pairs: &[[Reference; 2]]) -> Result<()> {
        match self.heap.get_mut(self.stack.top()?) {
            Value::Dict(items) => items.extend(pairs.iter().map(|&[key, value]| (key, value))),
            Value::Bystander => {}
            other => return Err(operand("setting items", "a dictionary", other)),
        }
        Ok(())
    }

    fn memoize_at<const BYTES: usize>(&mut self) -> Result<()> {
        let slot = self.cursor.number::<BYTES>()?;
        self.remember(slot)
    }

    fn memoize(&mut self) -> Result<()> {
        // More slots than a u32 counts are more than `remember` allows.
        self.remember(u32::try_from(self.memo.len()).unwrap_or(u32::MAX))
    }

    fn remember(&mut self, slot: u32) -> Result<()> {
        if self.memo.len() >= MAX_OBJECTS {
            return Err(PickleError::TooManyObjects { limit: MAX_OBJECTS });
        }
        self.memo.insert(slot, self.stack.top()?);
        Ok(())
    }

    fn recall<const BYTES: usize>(&mut self) -> Result<()> {
        let slot = self.cursor.number::<BYTES>()?;
        let reference = self.memo.get(&slot).copied().ok_or(PickleError::Operand {
            operation: "recalling a value",
            expected: "one that was memoized",
            found: "none",
        })?;
        self.stack.push(reference)
    }

    fn global(&mut self) -> Result<()> {
        let module = self.cursor.line()?;
        let name = self.cursor.line()?;
        self.push_callable(module, name)
    }

    fn stack_global(&mut self) -> Result<()> {
        let name = self.stack.pop()?;
        let module = self.stack.pop()?;
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
        let id = self.stack.pop()?;
        let storage = rebuild::storage(&self.heap, id)?;
        self.push(Value::Storage(storage))
    }

    fn reduce(&mut self) -> Result<()> {
        let arguments = self.stack.pop()?;
        let callable = self.stack.pop()?;
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
                self.stack.push(tensor)
            }
            Value::Callable(Callable::Bystander) => self.push(Value::Bystander),
            other => Err(operand("a call", "a function", other)),
        }
    }

    /// An object of a class, before its state; only those that are passed over are made so.
    fn new_object(&mut self) -> Result<()> {
        let _arguments = self.stack.pop()?;
        match self.heap.get(self.stack.pop()?) {
            Value::Callable(Callable::Bystander) => self.push(Value::Bystander),
            other => Err(operand("a new object", "a class beside the weights", other)),
        }
    }

    /// Takes an object's state; of what is read, only a dictionary has one: its modules' versions, which
    /// are ignored.
    fn build(&mut self) -> Result<()> {
        self.stack.pop()?;
        match self.heap.get(self.stack.top()?) {
            Value::Dict(_) | Value::Bystander => Ok(()),
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
