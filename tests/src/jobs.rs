//! Data jobs, as the directory and the queue have them.

use aws_sdk_dynamodb::types::AttributeValue;
use freehold_client::Group;
use serde_json::json;

use crate::{Row, World, text};

impl World {
    /// The rows of a group's jobs that are not finished.
    pub async fn open_jobs(&self, group: &Group) -> Vec<Row> {
        self.jobs(group).await.into_iter().filter(|job| text(job, "status") == "open").collect()
    }

    /// The rows of a group's jobs, finished or not.
    pub async fn jobs(&self, group: &Group) -> Vec<Row> {
        let query = self.clients.dynamodb().query().table_name(format!("{}-directory", self.name));
        let query = query.key_condition_expression("pk = :pk AND begins_with(sk, :jobs)");
        let query =
            query.expression_attribute_values(":pk", AttributeValue::S(format!("GROUP#{}", group.id)));
        let query = query.expression_attribute_values(":jobs", AttributeValue::S("JOB#".to_owned()));
        query.consistent_read(true).send().await.unwrap().items().to_vec()
    }

    /// Makes an erasure look as if it had been requested long ago, so that its second pass need not be waited for.
    pub async fn request_erasure_earlier(&self, erasure: &str) {
        let sort = format!("JOB#{erasure}");
        let jobs = self.rows("directory").await.into_iter().filter(|row| text(row, "sk") == sort);
        let keys: Vec<Row> = jobs
            .map(|row| row.into_iter().filter(|(name, _)| name == "pk" || name == "sk").collect())
            .collect();
        let [key] = <[Row; 1]>::try_from(keys).unwrap();
        let update = self.clients.dynamodb().update_item().table_name(format!("{}-directory", self.name));
        let update = update.set_key(Some(key)).update_expression("SET created = :earlier");
        let earlier = AttributeValue::S("2024-01-01T00:00:00Z".to_owned());
        update.expression_attribute_values(":earlier", earlier).send().await.unwrap();
    }

    /// Announces a group's open jobs again, as the scrubber does when they have been silent for long.
    pub async fn announce(&self, group: &Group) {
        let sqs = self.clients.sqs();
        let queue = sqs.get_queue_url().queue_name(format!("{}-jobs", self.name)).send().await.unwrap();
        for job in self.open_jobs(group).await {
            let body = json!({"job": text(&job, "job"), "group": group.id}).to_string();
            let message = sqs.send_message().set_queue_url(queue.queue_url.clone()).message_body(body);
            message.send().await.unwrap();
        }
    }
}
