//! Known words that resemble an unknown one. The main function is [`similar`].

/// The similarity (Jaro and Winkler, from 0 to 1) above which a word may have been meant.
const LEAST: f64 = 0.8;

/// Returns at most `count` of `words` that resemble `word`, the nearest first.
pub fn similar<'a>(word: &str, words: impl IntoIterator<Item = &'a str>, count: usize) -> Vec<String> {
    let mut scored: Vec<(f64, &str)> = words
        .into_iter()
        .map(|other| (strsim::jaro_winkler(word, other), other))
        .filter(|(score, _)| *score > LEAST)
        .collect();
    scored.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    scored.into_iter().take(count).map(|(_, word)| word.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_comes_first() {
        let words = ["authorization-configuration", "authentication-configuration", "flags"];
        assert_eq!(similar("autentication-configuration", words, 1), ["authentication-configuration"]);
        assert_eq!(similar("flag", words, 3), ["flags"]);
        assert!(similar("something", words, 3).is_empty());
    }
}
