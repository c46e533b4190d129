//! What is left of a stack, asked of the emulator kind by kind and not of the stack's state.

use provision::aws::Clients;

/// Everything in the account whose name, tag or place says that it is the stack's: `table x-data`.
pub async fn leftovers(clients: &Clients, stack: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut note = |kind: &str, names: Vec<String>| {
        let ours = |name: &String| name.contains(&format!("{stack}-")) || name == stack;
        all.extend(names.into_iter().filter(ours).map(|name| format!("{kind} {name}")));
    };
    let texts = |texts: &[String]| texts.to_vec();
    note("table", texts(clients.dynamodb().list_tables().send().await.unwrap().table_names()));
    note("queue", texts(clients.sqs().list_queues().send().await.unwrap().queue_urls()));
    let functions = clients.lambda().list_functions().send().await.unwrap();
    note(
        "function",
        functions.functions().iter().filter_map(|f| f.function_name().map(str::to_owned)).collect(),
    );
    let mappings = clients.lambda().list_event_source_mappings().send().await.unwrap();
    let arns = mappings.event_source_mappings().iter().filter_map(|m| m.function_arn().map(str::to_owned));
    note("mapping", arns.collect());
    let roles = clients.iam().list_roles().send().await.unwrap();
    note("role", roles.roles().iter().map(|role| role.role_name().to_owned()).collect());
    let groups = clients.logs().describe_log_groups().send().await.unwrap();
    note(
        "log group",
        groups.log_groups().iter().filter_map(|g| g.log_group_name().map(str::to_owned)).collect(),
    );
    let apis = clients.apigateway().get_apis().send().await.unwrap();
    note("api", apis.items().iter().filter_map(|api| api.name().map(str::to_owned)).collect());
    let pools = clients.cognito().list_user_pools().max_results(60).send().await.unwrap();
    note("user pool", pools.user_pools().iter().filter_map(|pool| pool.name().map(str::to_owned)).collect());
    // Found by itself: a pool's domain could stay when the pool is gone.
    let domain = format!("{stack}-{}", provision::local::ACCOUNT);
    let found = clients.cognito().describe_user_pool_domain().domain(&domain).send().await;
    let there = found.ok().and_then(|found| found.domain_description).and_then(|found| found.user_pool_id);
    note("domain", there.map(|_| domain).into_iter().collect());
    all
}
