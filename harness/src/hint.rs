//! Remedies for errors, apart from the errors themselves.
//!
//! An error that knows a remedy implements [`Hint`]; code that shows the error
//! shows the hint after it, separated by a blank line.

/// An error that may know a remedy.
pub trait Hint: std::error::Error {
    /// Returns the remedy, as one imperative sentence.
    fn hint(&self) -> Option<String> {
        None
    }
}
