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
