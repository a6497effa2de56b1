//! A choice that may be left to authlab. The main type is [`Choice`].

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

/// The word that leaves a choice to authlab.
pub(in crate::cli) const AUTO: &str = "auto";

/// The meaning of `auto` for a cluster.
pub(in crate::cli) const AUTO_CLUSTER: &str =
    "Processes on Linux; elsewhere containers whose images are there, otherwise processes that are built";

/// The meaning of `auto` for an identity provider.
pub(in crate::cli) const AUTO_IDENTITY_PROVIDER: &str =
    "A container when the cluster is in containers and the image is there, otherwise a process";

/// One of the values of `T`; none when the choice is left to authlab, by the word `auto`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice<T>(pub Option<T>);

/// Reads a [`Choice`]. `help` says what `auto` means.
pub(in crate::cli) fn choice<T: ValueEnum + Clone + Send + Sync + 'static>(help: &'static str) -> impl TypedValueParser<Value = Choice<T>> {
    let auto = PossibleValue::new(AUTO).help(help);
    let others = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    // Only these words come through.
    PossibleValuesParser::new(std::iter::once(auto).chain(others)).map(|word: String| Choice(T::from_str(&word, false).ok()))
}
