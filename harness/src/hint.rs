//! What to do about an error, apart from the error itself.
//!
//! An error that knows a remedy implements [`Hint`]; whoever shows the error
//! shows the hint after it, separated by a blank line.

/// An error that may know what to do about it.
pub trait Hint: std::error::Error {
    /// What the person can do, as one imperative sentence.
    fn hint(&self) -> Option<String> {
        None
    }
}
