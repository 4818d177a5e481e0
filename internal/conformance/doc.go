// Package conformance has only tests. They build the program and run it against
// independent implementations: moto's IAM server, and the AWS CLI as a client of
// the sandbox. They also check what the README and docs/permissions.md say about
// the program, the policies of docs/guardrails.md, the blocks of docs/other-clouds.md
// and docs/sandbox.md, and an audit's page in a browser. They do what the pages on
// incidents, static keys and moving an app say, and run the acceptance test, with a
// stand-in for flyctl.
//
// They need moto_server, aws, git, jq, sh and bash. If one is missing they are skipped, or
// fail if FLY_AWS_CONFORMANCE is 1. They are skipped in short mode. The judge of
// the guardrails is asked only if FLY_AWS_IAM_SIMULATE says where it is, and a
// page is opened only where there is a Chromium. Terraform runs only where there is its
// AWS provider, in /opt/tf-plugins or the plugin directory FLY_AWS_TERRAFORM_PLUGINS. The
// clients of other parties than AWS run only if FLY_AWS_NODE_CLIENTS says where they are.
package conformance
