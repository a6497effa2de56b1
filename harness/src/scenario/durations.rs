//! The measured durations of scenarios: `fixtures/durations.toml`, by which
//! shards are cut and the longest features start first. The main type is [`Durations`].
//!
//! The scenarios ran side by side, so the times do not measure one alone; for equal parts that does not matter.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Milliseconds by scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    ms: BTreeMap<String, u64>,
}

impl Durations {
    /// Returns the durations in `fixtures/durations.toml`.
    pub fn known() -> &'static Self {
        static KNOWN: LazyLock<Durations> = LazyLock::new(|| {
            let ms = toml::from_str(include_str!("../../../fixtures/durations.toml")).expect("fixtures/durations.toml is read by a test");
            Durations { ms }
        });
        &KNOWN
    }

    /// Returns the median of each scenario's times in `measured`, which must not include times of skipped scenarios.
    #[must_use]
    pub fn of(measured: impl IntoIterator<Item = (String, u64)>) -> Self {
        let mut times: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (id, ms) in measured {
            times.entry(id).or_default().push(ms);
        }
        let median = |mut times: Vec<u64>| {
            times.sort_unstable();
            times[(times.len() - 1) / 2]
        };
        Self {
            ms: times.into_iter().map(|(id, times)| (id, median(times))).collect(),
        }
    }

    /// Returns the milliseconds of the scenario `id`, or the median of the others if it was not measured.
    #[must_use]
    pub fn ms(&self, id: &str) -> u64 {
        self.ms.get(id).copied().unwrap_or_else(|| self.median())
    }

    /// Returns the text for `fixtures/durations.toml`.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::from(
            "# How long each scenario took, in milliseconds: the median over the versions of a matrix. Shards (`--shard I/N`) are cut by it; a\n\
             # scenario that is not here counts as the median of the others. `authlab report keep DIR` writes it.\n",
        );
        for (id, ms) in &self.ms {
            // A JSON string is a valid TOML string.
            text.push_str(&format!("{} = {ms}\n", serde_json::Value::from(id.as_str())));
        }
        text
    }

    /// Distributes `ids` over `count` parts that take about the same time: the longest first, each to the part with the least so far.
    /// The result does not depend on the order of `ids`.
    #[must_use]
    pub fn cut(&self, ids: &[&str], count: usize) -> Vec<usize> {
        let median = self.median();
        let ms = |id: &str| self.ms.get(id).copied().unwrap_or(median).max(1);
        let mut order: Vec<usize> = (0..ids.len()).collect();
        order.sort_by(|&one, &other| ms(ids[other]).cmp(&ms(ids[one])).then_with(|| ids[one].cmp(ids[other])));
        let mut loads = vec![0_u64; count.max(1)];
        let mut parts = vec![0; ids.len()];
        for index in order {
            let part = (0..loads.len()).min_by_key(|&part| loads[part]).unwrap_or_default();
            loads[part] += ms(ids[index]);
            parts[index] = part;
        }
        parts
    }

    fn median(&self) -> u64 {
        let mut times: Vec<u64> = self.ms.values().copied().collect();
        times.sort_unstable();
        times.get(times.len().saturating_sub(1) / 2).copied().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn the_file_can_be_read_and_is_as_it_would_be_written() {
        let text = include_str!("../../../fixtures/durations.toml");
        assert_eq!(Durations::known().to_toml(), text);
    }

    #[test]
    fn a_scenario_counts_with_the_median_of_its_times_and_an_unknown_one_with_that_of_all() {
        let times = [("a", 30), ("a", 10), ("a", 20), ("b", 7), ("c", 1)];
        let durations = Durations::of(times.map(|(id, ms)| (id.to_owned(), ms)));
        assert_eq!(
            durations.ms,
            BTreeMap::from([("a".to_owned(), 20), ("b".to_owned(), 7), ("c".to_owned(), 1)])
        );
        assert_eq!(durations.median(), 7);
        assert_eq!(durations.cut(&["unknown", "a", "b"], 2), [1, 0, 1]);
    }

    /// For any times and any number of parts: each scenario is in exactly one part, the parts are the same in any order of the
    /// ids, and no two parts differ by more than the longest scenario.
    #[test]
    fn parts_are_whole_and_even_whatever_the_times_are() {
        for seed in 0..300 {
            let mut random = rand::rngs::StdRng::seed_from_u64(seed);
            let mut ids: Vec<String> = (0..random.gen_range(1..60)).map(|number| format!("scenario {number}")).collect();
            let mut took = Vec::new();
            for id in &ids {
                if random.gen_bool(0.8) {
                    took.push((id.clone(), random.gen_range(0..10_000)));
                }
            }
            let known = Durations::of(took);
            let count = random.gen_range(1..9);
            let cut = |ids: &[String]| -> BTreeMap<String, usize> {
                let words: Vec<&str> = ids.iter().map(String::as_str).collect();
                ids.iter().cloned().zip(known.cut(&words, count)).collect()
            };
            let parts = cut(&ids);
            assert!(parts.len() == ids.len() && parts.values().all(|&part| part < count), "seed {seed}");
            ids.shuffle(&mut random);
            assert_eq!(cut(&ids), parts, "seed {seed}");
            let ms = |id: &String| known.ms.get(id).copied().unwrap_or(known.median()).max(1);
            let loads: Vec<u64> = (0..count)
                .map(|part| parts.iter().filter(|(_, of)| **of == part).map(|(id, _)| ms(id)).sum())
                .collect();
            let longest = ids.iter().map(ms).max().unwrap_or_default();
            let uneven = loads.iter().max().zip(loads.iter().min()).map(|(most, least)| most - least);
            assert!(uneven <= Some(longest), "seed {seed}: {loads:?}, longest {longest}");
        }
    }
}
