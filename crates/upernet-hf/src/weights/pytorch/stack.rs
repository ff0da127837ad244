//! The pickle machine's stack, with the marks that open containers leave on it.

use super::value::{MAX_OBJECTS, Reference};
use crate::weights::PickleError;

type Result<T> = std::result::Result<T, PickleError>;

/// References to values; as many as there may be values.
#[derive(Debug, Default)]
pub(super) struct Stack {
    references: Vec<Reference>,
    /// Heights at which an open tuple, list or dictionary starts.
    marks: Vec<usize>,
}

impl Stack {
    /// Puts a reference on top.
    pub(super) fn push(&mut self, reference: Reference) -> Result<()> {
        bounded(self.references.len())?;
        self.references.push(reference);
        Ok(())
    }

    /// Takes the top, which must not lie below the innermost mark.
    pub(super) fn pop(&mut self) -> Result<Reference> {
        let top = self.top()?;
        self.references.pop();
        Ok(top)
    }

    /// Looks at the top, under the same rule.
    pub(super) fn top(&self) -> Result<Reference> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let top = self.references[floor..].last().copied();
        top.ok_or(PickleError::Operand {
            operation: "an operation",
            expected: "a value on the stack",
            found: "none",
        })
    }

    /// Takes so many references, the deepest first.
    pub(super) fn pop_many(&mut self, count: u8) -> Result<Vec<Reference>> {
        let mut taken = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>>>()?;
        taken.reverse();
        Ok(taken)
    }

    /// Marks the top as the start of a container.
    pub(super) fn mark(&mut self) -> Result<()> {
        bounded(self.marks.len())?;
        self.marks.push(self.references.len());
        Ok(())
    }

    /// Takes everything above the innermost mark, and the mark.
    pub(super) fn pop_to_mark(&mut self) -> Result<Vec<Reference>> {
        let mark = self.marks.pop().ok_or(PickleError::Operand {
            operation: "the end of a container",
            expected: "a mark on the stack",
            found: "none",
        })?;
        Ok(self.references.split_off(mark))
    }
}

fn bounded(height: usize) -> Result<()> {
    match height {
        MAX_OBJECTS.. => Err(PickleError::TooManyObjects { limit: MAX_OBJECTS }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::Stack;

    #[test]
    fn nothing_below_a_mark_can_be_taken() {
        let mut stack = Stack::default();
        stack.push(1).expect("there is room");
        stack.mark().expect("there is room");
        assert!(
            stack.pop().is_err() && stack.top().is_err(),
            "1 lies below the mark"
        );
        stack.push(2).expect("there is room");
        stack.push(3).expect("there is room");
        assert_eq!(stack.pop_to_mark(), Ok(vec![2, 3]));
        assert_eq!(stack.pop_many(1), Ok(vec![1]));
        assert!(stack.pop_to_mark().is_err(), "there is no mark left");
    }
}
