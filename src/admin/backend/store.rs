//! `store backup`.

use super::Backend;
use crate::admin::reply::{BackupRow, Refusal, Reply};
use crate::store::{BackupError, Pace};

impl Backend {
    pub(super) async fn store_backup(&self) -> Result<Vec<Reply>, Refusal> {
        let Some(keeper) = &self.parts.backups else {
            return Err(Refusal::new("unavailable", "this store has no backups"));
        };
        let info = keeper.backup(Pace::Full).await?;
        tracing::info!(file = %info.path.display(), rows = info.rows, bytes = info.bytes, "a backup was made");
        Ok(vec![Reply::Backup(BackupRow::from(&info))])
    }
}

impl From<BackupError> for Refusal {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Store(error) => error.into(),
            BackupError::Open(_)
            | BackupError::Io { .. }
            | BackupError::Damaged { .. }
            | BackupError::None(_)
            | BackupError::Exists(_)
            | BackupError::Stopped => Self::new("backup", error.to_string()),
        }
    }
}
