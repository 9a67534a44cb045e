//! The bytes of a file go to where the upstream wants them: no credential goes with them, and no redirect is followed.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use pooler_filter::Upload;

use super::policy::Target;
use crate::client::{Call, Client, NetError};

const BLOB_TYPE: HeaderName = HeaderName::from_static("x-ms-blob-type");

/// Why the bytes did not arrive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotUploaded {
    /// They could not be sent.
    #[error(transparent)]
    Net(#[from] NetError),
    /// They were not taken.
    #[error("the storage answered with status {}", .0.as_u16())]
    Refused(StatusCode),
}

/// Uploads a file.
pub(crate) async fn put(client: &Arc<Client>, target: &Target, upload: &Upload) -> Result<(), NotUploaded> {
    let mut connection = client.connect_checked(&target.endpoint, &|ip| target.allows(ip)).await?;
    let mut headers = HeaderMap::new();
    // Checked when the form was read; what is no header value after all is just bytes.
    let kind = HeaderValue::from_str(&upload.content_type);
    headers.insert(header::CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    headers.insert(BLOB_TYPE, HeaderValue::from_static("BlockBlob"));
    let call = Call { method: Method::PUT, path: target.path.clone(), headers, body: upload.data.clone() };
    let status = connection.call(&call).await;
    connection.close().await;
    let status = status?;
    if status.is_success() { Ok(()) } else { Err(NotUploaded::Refused(status)) }
}
