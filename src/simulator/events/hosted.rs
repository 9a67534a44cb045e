//! Items that the backend makes itself, and calls of its hosted tools.

use serde_json::{Value, json};

use super::Teller;
use crate::simulator::picture::Picture;

impl Teller<'_> {
    pub(super) fn web_search(&mut self, query: &str, sources: &[String]) -> String {
        let id = format!("ws_{}", self.tag);
        let mut action = json!({"type": "search", "query": query, "queries": [query]});
        if !sources.is_empty() {
            action["sources"] = sources.iter().map(|url| json!({"type": "url", "url": url})).collect();
        }
        let open = json!({"id": id, "type": "web_search_call", "status": "in_progress"});
        let closed = json!({"id": id, "type": "web_search_call", "status": "completed", "action": action});
        self.item(&open, &closed, |teller| {
            let at = json!({"item_id": id, "output_index": teller.index});
            teller.say("response.web_search_call.in_progress", &at);
            teller.say("response.web_search_call.searching", &at);
            teller.say("response.web_search_call.completed", &at);
        })
    }

    pub(super) fn picture(&mut self, picture: &Picture, failed: Option<&Value>) -> String {
        let id = format!("ig_{}", self.tag);
        let open = json!({"id": id, "type": "image_generation_call", "status": "in_progress", "result": null});
        let closed = match failed {
            Some(error) => json!({
                "id": id, "type": "image_generation_call", "status": "failed", "result": null, "error": error,
            }),
            None => json!({
                "id": id, "type": "image_generation_call", "status": "completed",
                "revised_prompt": picture.revised_prompt, "result": picture.data, "background": picture.background,
                "output_format": picture.format, "quality": picture.quality, "size": picture.size,
            }),
        };
        self.item(&open, &closed, |teller| {
            let at = json!({"item_id": id, "output_index": teller.index});
            teller.say("response.image_generation_call.in_progress", &at);
            teller.say("response.image_generation_call.generating", &at);
            if failed.is_some() {
                return;
            }
            for (number, data) in picture.partial.iter().enumerate() {
                let partial = json!({
                    "item_id": id, "output_index": teller.index, "partial_image_index": number,
                    "partial_image_b64": data, "background": picture.background, "output_format": picture.format,
                    "quality": picture.quality, "size": picture.size,
                });
                teller.say("response.image_generation_call.partial_image", &partial);
            }
            teller.say("response.image_generation_call.completed", &at);
        })
    }

    pub(super) fn shell(&mut self, local: bool, command: &str) -> String {
        let call_id = format!("call_{}", self.tag);
        let call = |status: &str| {
            if local {
                let action = json!({"type": "exec", "command": ["sh", "-c", command], "env": {}, "timeout_ms": 10_000});
                json!({"id": format!("lsh_{}", self.tag), "type": "local_shell_call", "status": status,
                       "call_id": call_id, "action": action})
            } else {
                let action = json!({"commands": [command], "timeout_ms": 10_000, "max_output_length": 4_096});
                json!({"id": format!("sh_{}", self.tag), "type": "shell_call", "status": status, "call_id": call_id,
                       "action": action})
            }
        };
        let (open, closed) = (call("in_progress"), call("completed"));
        self.item(&open, &closed, |_| {})
    }

    pub(super) fn tool_search(&mut self, query: &str) -> String {
        let call = |status: &str| {
            json!({
                "id": format!("tsc_{}", self.tag), "type": "tool_search_call", "status": status,
                "call_id": format!("call_{}", self.tag), "execution": "client",
                "arguments": {"query": query, "limit": 8},
            })
        };
        let (open, closed) = (call("in_progress"), call("completed"));
        self.item(&open, &closed, |_| {})
    }

    pub(super) fn compaction(&mut self, sealed: &str) -> String {
        let item = json!({"id": format!("cmp_{}", self.tag), "type": "compaction", "encrypted_content": sealed});
        self.item(&item, &item, |_| {})
    }
}
