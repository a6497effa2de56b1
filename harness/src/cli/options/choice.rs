//! A choice that can be left to authlab. The main type is [`Choice`].

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::identity_provider::Asked;

/// The value that leaves a choice to authlab.
pub(in crate::cli) const AUTO: &str = "auto";

/// The meaning of `auto` for a cluster.
pub(in crate::cli) const AUTO_CLUSTER: &str = "Processes on Linux; elsewhere containers if images exist, or processes";

/// The meaning of `auto` for an identity provider.
pub(in crate::cli) const AUTO_IDENTITY_PROVIDER: &str = "Keycloak: in a container beside such a cluster, or a process";

/// Returns a parser for a [`Choice`] of an identity provider. `help` explains `auto`.
pub(in crate::cli) fn provider_choice(help: &'static str) -> impl TypedValueParser<Value = Choice<Asked>> {
    let auto = PossibleValue::new(AUTO).help(help);
    let others = Asked::values().map(|(name, help)| PossibleValue::new(name).help(help));
    // The parser before this one lets only these values through.
    PossibleValuesParser::new(std::iter::once(auto).chain(others)).map(|word: String| Choice(Asked::named(&word)))
}

/// One of the values of `T`; `None` if the choice is left to authlab, by the value `auto`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice<T>(pub Option<T>);

/// Returns a parser for a [`Choice`]. `help` explains `auto`.
pub(in crate::cli) fn choice<T: ValueEnum + Clone + Send + Sync + 'static>(help: &'static str) -> impl TypedValueParser<Value = Choice<T>> {
    let auto = PossibleValue::new(AUTO).help(help);
    let others = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    // The parser before this one lets only these values through.
    PossibleValuesParser::new(std::iter::once(auto).chain(others)).map(|word: String| Choice(T::from_str(&word, false).ok()))
}
