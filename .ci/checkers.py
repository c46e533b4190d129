"""What parliament says about the policies of the roles in a template: nothing but what is expected."""

import json
import re
import sys

import parliament

# Findings that may stay, each with its reason: the kind of finding, and the actions that it may be about.
EXPECTED = {
    # parliament's data know no resource for ListStreams, so it asks for `*`. Lambda wants a role that reads a stream to be
    # allowed it, and AWS's own policy template (SAM's DynamoDBStreamReadPolicy) names the table's streams, as we do: with
    # `*` the function could list the streams of every table in the account.
    "RESOURCE_MISMATCH": {"dynamodb:ListStreams"},
}


def arn(reference, resources):
    """What a reference of the template may look like once it is deployed."""
    logical, _, attribute = reference.partition(".")
    sample = {"AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::AccountId": "123456789012"}
    if reference in sample:
        return sample[reference]
    resource = resources[logical]
    name = next(v for k, v in resource["Properties"].items() if k.endswith("Name"))
    if attribute == "":
        return name
    service = {"AWS::DynamoDB::Table": "dynamodb:eu-west-1:123456789012:table/", "AWS::SQS::Queue": "sqs:eu-west-1:123456789012:"}
    known = f"arn:aws:{service[resource['Type']]}{name}"
    # Real ones have colons in their time, at which parliament would take the ARN apart.
    return known + "/stream/2026-01-01T00-00-00.000" if attribute == "StreamArn" else known


def resolved(value, resources):
    """The value with everything that the template leaves to CloudFormation put in."""
    if isinstance(value, list):
        return [resolved(item, resources) for item in value]
    if not isinstance(value, dict):
        return value
    if "Ref" in value:
        return arn(value["Ref"], resources)
    if "Fn::GetAtt" in value:
        return arn(".".join(value["Fn::GetAtt"]), resources)
    if "Fn::Sub" in value:
        return re.sub(r"\$\{([^}]*)\}", lambda found: arn(found.group(1), resources), value["Fn::Sub"])
    return {key: resolved(item, resources) for key, item in value.items()}


def is_expected(finding):
    """Whether a finding is one of those that may stay, and about nothing else."""
    actions = {part.get("action") for part in finding.detail} if isinstance(finding.detail, list) else {None}
    return actions <= EXPECTED.get(finding.issue, set())


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        resources = json.load(file)["Resources"]
    policies, bad, expected = 0, 0, 0
    for logical, resource in resources.items():
        if resource["Type"] != "AWS::IAM::Role":
            continue
        for policy in resource["Properties"]["Policies"]:
            policies += 1
            document = json.dumps(resolved(policy["PolicyDocument"], resources))
            for finding in parliament.analyze_policy_string(document).findings:
                if is_expected(finding):
                    expected += 1
                    continue
                bad += 1
                print(f"{logical}: {finding.issue}: {finding.detail} {finding.location}")
    if policies == 0:
        sys.exit("no policy was looked at")
    print(f"{policies} policies, {bad} findings, {expected} that may stay")
    sys.exit(1 if bad else 0)


main()
