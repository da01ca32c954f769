//! The datasets of a hosted department.

use std::sync::Arc;

use crypto::Digest;

use super::Hosted;
use crate::department::importing::{self, ImportOptions};
use crate::department::{Internal, Peers};
use crate::http::local::datasets::{DatasetView, DatasetsApi, ImportQuery, Imported, RejectedRow};
use crate::http::{Problem, Upload};
use crate::records::Dataset;

impl<P: Peers + 'static> DatasetsApi for Hosted<P> {
    async fn datasets(&self) -> Result<Vec<DatasetView>, Problem> {
        let mut views = Vec::new();
        for dataset in self.department.records().datasets().map_err(Internal::from)? {
            views.push(self.dataset_view(&dataset).await?);
        }
        Ok(views)
    }

    async fn import(
        &self,
        dataset: String,
        ImportQuery { format, skip_bad }: ImportQuery,
        file: &mut Upload,
    ) -> Result<Imported, Problem> {
        let options = ImportOptions { format, skip_bad };
        let mut import = Arc::clone(&self.department).begin_import(&dataset, options).await?;
        while let Some(piece) = file.next().await? {
            import.push(piece).await?;
        }
        Ok(imported(import.finish().await?))
    }
}

impl<P: Peers> Hosted<P> {
    async fn dataset_view(&self, dataset: &Dataset) -> Result<DatasetView, Problem> {
        let root = self.department.records().root(dataset).map_err(Internal::from)?;
        let service = self.department.service_entry(dataset.name()).await?;
        let schema = serde_json::to_value(dataset.schema());
        Ok(DatasetView {
            name: dataset.name().to_owned(),
            schema: schema.map_err(|error| Problem::internal(&error))?,
            schema_digest: *dataset.schema_digest(),
            records: dataset.len(),
            root: element(root),
            service_entry: service.map(|entry| *entry.as_digest()),
        })
    }
}

fn imported(done: importing::Imported) -> Imported {
    let count = |records| u64::try_from(records).expect("lengths fit 64 bits");
    Imported {
        added: count(done.changed.added),
        updated: count(done.changed.updated),
        unchanged: count(done.changed.unchanged),
        rejected: done.rejected.iter().map(RejectedRow::from).collect(),
        root: element(done.changed.root),
        records_entry: done.records_entry.map(|entry| *entry.as_digest()),
    }
}

fn element(root: circuits::Fr) -> Digest {
    Digest::from_bytes(circuits::field::to_be_bytes(root))
}
