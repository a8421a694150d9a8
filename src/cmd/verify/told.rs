//! What a check says, and in which words.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use serde_json::json;

use crate::screen::safe_text;
use crate::seal::finding::{Class, Finding, Weight};
use crate::seal::verify::Report;

/// What came of it all.
pub(super) struct Summary {
    reports: Vec<Report>,
    /// Of the ledger as a whole.
    ledger: Vec<Finding>,
    remarks: Vec<String>,
}

impl Summary {
    pub(super) fn of(reports: Vec<Report>, ledger: Vec<Finding>, remarks: Vec<String>) -> Self {
        Self { reports, ledger, remarks }
    }

    /// All that was found.
    pub(super) fn into_findings(self) -> Vec<Finding> {
        let own = self.reports.into_iter().flat_map(|report| report.findings);
        own.chain(self.ledger).collect()
    }

    fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.reports.iter().flat_map(|report| &report.findings).chain(&self.ledger)
    }

    /// The worst of all: what is bad is bad whatever else could not be looked
    /// at, and what could not be looked at is worse than what is to come.
    pub(super) fn weight(&self) -> Option<Weight> {
        let rank = |weight: &Weight| match weight {
            Weight::Incomplete => 0,
            Weight::Unknown => 1,
            Weight::Bad => 2,
        };
        self.findings().map(|finding| finding.class.weight()).max_by_key(rank)
    }

    /// Writes it to standard output; remarks to standard error.
    pub(super) fn show(&self, json: bool, all: bool) -> Result<()> {
        let mut out = std::io::BufWriter::new(crate::cmd::out::out());
        if json {
            serde_json::to_writer_pretty(&mut out, &self.json())?;
            writeln!(out)?;
        } else {
            for line in self.lines(all) {
                writeln!(out, "{line}")?;
            }
        }
        out.flush()?;
        let mut err = std::io::stderr().lock();
        for remark in &self.remarks {
            let _ = writeln!(err, "hrec: {}", safe_text(remark));
        }
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "sound": self.sound(),
            "counts": self.counts().iter().map(|(class, n)| (class.name(), n)).collect::<BTreeMap<_, _>>(),
            "recordings": self.reports,
            "ledger": self.ledger,
        })
    }

    fn sound(&self) -> usize {
        self.reports.iter().filter(|report| report.findings.is_empty()).count()
    }

    fn counts(&self) -> BTreeMap<Class, usize> {
        let mut counts = BTreeMap::new();
        for finding in self.findings() {
            *counts.entry(finding.class).or_default() += 1;
        }
        counts
    }

    /// The same of one recording, without its id.
    pub(super) fn of_one(&self) -> Vec<String> {
        let lines = self.lines(false);
        let ids: Vec<String> =
            self.reports.iter().map(|report| format!("{}: ", safe_text(&report.id))).collect();
        let short = |line: String| {
            let id = ids.iter().find(|id| line.starts_with(id.as_str()));
            line.get(id.map_or(0, String::len)..).unwrap_or_default().to_owned()
        };
        lines.into_iter().map(short).collect()
    }

    /// A line for each finding; for each sound recording too, where they were
    /// named; and the sum.
    fn lines(&self, all: bool) -> Vec<String> {
        let mut lines = Vec::new();
        for report in &self.reports {
            let id = safe_text(&report.id).into_owned();
            for finding in &report.findings {
                lines.push(format!("{id}: {}: {}", finding.class.name(), safe_text(&finding.what)));
            }
            if report.findings.is_empty() && !all {
                let by = report.signed.as_ref().map_or_else(String::new, |signed| {
                    format!(", sealed by {} ({})", safe_text(&signed.by), signed.key)
                });
                lines.push(format!("{id}: sound{by}"));
            }
        }
        for finding in &self.ledger {
            lines.push(format!("ledger: {}: {}", finding.class.name(), safe_text(&finding.what)));
        }
        if all {
            let several = if self.reports.len() == 1 { "" } else { "s" };
            let mut sum =
                format!("{} recording{several}, {} sound", self.reports.len(), self.sound());
            for (class, n) in self.counts() {
                sum.push_str(&format!(", {n} {}", class.name()));
            }
            lines.push(sum);
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(id: &str, found: &[(Class, &str)]) -> Report {
        let findings = found.iter().map(|(class, what)| Finding::of(id, *class, *what)).collect();
        Report {
            id: id.to_owned(),
            state: None,
            signed: None,
            manifest_sha256: None,
            findings,
            manifest: None,
        }
    }

    #[test]
    fn of_one_recording_its_name_says_nothing() {
        let found = report("a", &[(Class::Altered, "x is not what it was"), (Class::Missing, "y")]);
        let ledger = vec![Finding::of_ledger(Class::LedgerForked, "z")];
        let summary = Summary::of(vec![found], ledger, Vec::new());
        let lines = ["altered: x is not what it was", "missing: y", "ledger: ledger-forked: z"];
        assert_eq!(summary.of_one(), lines);
        assert_eq!(Summary::of(vec![report("a", &[])], Vec::new(), Vec::new()).of_one(), ["sound"]);
    }

    #[test]
    fn the_worst_decides_and_hostile_text_is_escaped() {
        let mut reports =
            vec![report("a", &[]), report("b", &[(Class::OrphanStart, "x\u{1b}[2J")])];
        assert_eq!(
            Summary::of(reports.clone(), Vec::new(), Vec::new()).weight(),
            Some(Weight::Incomplete)
        );
        reports.push(report("c", &[(Class::NotChecked, "y")]));
        assert_eq!(
            Summary::of(reports.clone(), Vec::new(), Vec::new()).weight(),
            Some(Weight::Unknown)
        );
        reports.push(report("d", &[(Class::Altered, "z"), (Class::NotYetSealed, "s")]));
        let summary = Summary::of(reports, Vec::new(), Vec::new());
        assert_eq!(summary.weight(), Some(Weight::Bad));
        let lines = summary.lines(true);
        assert_eq!(lines[0], "b: orphan-start: x\\u{1b}[2J");
        assert_eq!(
            lines.last().unwrap(),
            "4 recordings, 1 sound, 1 not-yet-sealed, 1 orphan-start, 1 not-checked, 1 altered"
        );
        assert_eq!(Summary::of(Vec::new(), Vec::new(), Vec::new()).weight(), None);
    }
}
