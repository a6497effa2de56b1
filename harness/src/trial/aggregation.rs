//! ClusterRoles that consist of others, such as `view`, `edit` and `admin`: a controller fills them, which a bare lab does not run. The main
//! function is [`aggregate`], which does the same once (kubernetes `pkg/controller/clusterroleaggregation`).

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};

/// The field manager of Kubernetes' own controller.
const MANAGER: &str = "clusterrole-aggregation-controller";

/// Fills every ClusterRole that consists of others.
///
/// # Errors
/// The API server does not answer, or refuses a role.
pub(super) async fn aggregate(client: &Client) -> kube::Result<()> {
    let roles: Api<ClusterRole> = Api::all(client.clone());
    let all = roles.list(&ListParams::default()).await?.items;
    for role in filled(all) {
        let rules = serde_json::json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": { "name": role.name_any() }, "rules": role.rules,
        });
        roles
            .patch(&role.name_any(), &PatchParams::apply(MANAGER).force(), &Patch::Apply(rules))
            .await?;
    }
    Ok(())
}

/// Returns the roles of `all` that get other rules, with those.
fn filled(mut all: Vec<ClusterRole>) -> Vec<ClusterRole> {
    all.sort_by_key(ResourceExt::name_any);
    let before = all.clone();
    // A role may consist of roles that consist of others: one round for each is enough.
    for _ in 0..before.len() {
        let mut is_changed = false;
        for index in 0..all.len() {
            if let Some(rules) = rules(&all[index], &all)
                && all[index].rules.as_deref().unwrap_or_default() != rules
            {
                all[index].rules = Some(rules);
                is_changed = true;
            }
        }
        if !is_changed {
            break;
        }
    }
    let changed = all.into_iter().zip(before).filter(|(now, before)| now.rules != before.rules);
    changed.map(|(now, _)| now).collect()
}

/// Returns the rules of `role` by its selectors, in the order of the roles' names; `None` if it does not consist of others.
fn rules(role: &ClusterRole, all: &[ClusterRole]) -> Option<Vec<PolicyRule>> {
    let selectors = role
        .aggregation_rule
        .as_ref()?
        .cluster_role_selectors
        .as_deref()
        .unwrap_or_default();
    let mut rules: Vec<PolicyRule> = Vec::new();
    for selector in selectors {
        for other in all
            .iter()
            .filter(|other| other.metadata.name != role.metadata.name && selects(selector, other))
        {
            for rule in other.rules.iter().flatten() {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    Some(rules)
}

/// Returns whether `selector` selects `role` (k8s.io/apimachinery `pkg/apis/meta/v1/helpers.go`, `LabelSelectorAsSelector`).
fn selects(selector: &LabelSelector, role: &ClusterRole) -> bool {
    let labels = role.labels();
    let all_match = selector
        .match_labels
        .iter()
        .flatten()
        .all(|(key, value)| labels.get(key) == Some(value));
    all_match
        && selector.match_expressions.iter().flatten().all(|expression| {
            let value = labels.get(&expression.key);
            let is_one = || value.is_some_and(|value| expression.values.iter().flatten().any(|one| one == value));
            match expression.operator.as_str() {
                "In" => is_one(),
                "NotIn" => !is_one(),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn roles_of_roles_have_the_rules_of_all() {
        let role = |name: &str, labels: serde_json::Value, rest: serde_json::Value| -> ClusterRole {
            let mut role = json!({ "metadata": { "name": name, "labels": labels } });
            role.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            serde_json::from_value(role).unwrap()
        };
        let of = |label: &str| json!({ "aggregationRule": { "clusterRoleSelectors": [{ "matchLabels": { label: "true" } }] } });
        let rule = |resource: &str| json!({ "rules": [{ "apiGroups": [""], "resources": [resource], "verbs": ["get"] }] });
        let all = vec![
            role("view", json!({ "to-edit": "true" }), of("to-view")),
            role("edit", json!({}), of("to-edit")),
            role("system:view", json!({ "to-view": "true" }), rule("pods")),
            role("mine", json!({ "to-view": "true", "to-edit": "true" }), rule("widgets")),
            role(
                "expressed",
                json!({}),
                json!({ "aggregationRule": { "clusterRoleSelectors": [
                { "matchExpressions": [{ "key": "to-view", "operator": "Exists" }, { "key": "to-edit", "operator": "NotIn", "values": ["true"] }] },
            ] } }),
            ),
            role("alone", json!({}), rule("secrets")),
        ];
        let told: Vec<(String, Vec<String>)> = filled(all)
            .into_iter()
            .map(|role| {
                let resources = role
                    .rules
                    .iter()
                    .flatten()
                    .flat_map(|rule| rule.resources.clone().unwrap_or_default());
                (role.name_any(), resources.collect())
            })
            .collect();
        let expected = [
            ("edit", vec!["widgets", "pods"]),
            ("expressed", vec!["pods"]),
            ("view", vec!["widgets", "pods"]),
        ];
        let expected = expected.map(|(name, resources)| (name.to_owned(), resources.into_iter().map(str::to_owned).collect::<Vec<_>>()));
        assert_eq!(told, expected);
        assert!(filled(Vec::new()).is_empty());
    }
}
