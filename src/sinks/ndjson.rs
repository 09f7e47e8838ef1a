//! NDJSON: one document a line, into a file or any other writer.

use std::io::Write;

use super::{Receipt, Sink, SinkError};
use crate::model::document::{run_to_document, to_document};
use crate::model::{Anomaly, RunDocument};

/// Writes documents as lines.
pub struct Ndjson<W> {
    anomalies: Option<W>,
    runs: Option<W>,
}

impl<W: Write + Send> Ndjson<W> {
    /// Anomalies only.
    pub fn anomalies(out: W) -> Self {
        Self { anomalies: Some(out), runs: None }
    }

    /// Run documents only.
    pub fn runs(out: W) -> Self {
        Self { anomalies: None, runs: Some(out) }
    }
}

fn write_lines(out: &mut impl Write, documents: impl Iterator<Item = serde_json::Value>) -> Result<u64, SinkError> {
    let failed = |e: &dyn std::fmt::Display| SinkError { message: format!("the output file cannot be written: {e}"), is_permanent: true };
    let mut written = 0;
    for document in documents {
        serde_json::to_writer(&mut *out, &document).map_err(|e| failed(&e))?;
        out.write_all(b"\n").map_err(|e| failed(&e))?;
        written += 1;
    }
    out.flush().map_err(|e| failed(&e))?;
    Ok(written)
}

#[async_trait::async_trait]
impl<W: Write + Send> Sink for Ndjson<W> {
    async fn deliver(&mut self, anomalies: &[Anomaly]) -> Result<Receipt, SinkError> {
        let Some(out) = &mut self.anomalies else { return Ok(Receipt::default()) };
        let created = write_lines(out, anomalies.iter().map(to_document))?;
        Ok(Receipt { created, ..Receipt::default() })
    }

    async fn deliver_run(&mut self, run: &RunDocument) -> Result<Receipt, SinkError> {
        let Some(out) = &mut self.runs else { return Ok(Receipt::default()) };
        let created = write_lines(out, std::iter::once(run_to_document(run)))?;
        Ok(Receipt { created, ..Receipt::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_is_a_line_and_each_kind_goes_its_own_way() {
        let run = RunDocument { job: "web".into(), ..RunDocument::default() };
        let mut out = Vec::new();
        let receipt = futures::executor::block_on(Ndjson::runs(&mut out).deliver_run(&run)).unwrap();
        assert_eq!(receipt.created, 1);
        assert_eq!(futures::executor::block_on(Ndjson::anomalies(Vec::new()).deliver_run(&run)).unwrap().created, 0);
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with("}\n") && text.contains("\"web\""), "{text}");
    }

    #[test]
    fn a_full_disk_is_an_error_that_says_so() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let e = futures::executor::block_on(Ndjson::runs(Full).deliver_run(&RunDocument::default())).unwrap_err();
        assert!(e.is_permanent && e.message.contains("cannot be written"), "{e}");
    }
}
