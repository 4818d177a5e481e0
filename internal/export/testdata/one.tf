# Made by fly-aws export terraform.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100"
    }
  }
}

# Made by fly-aws export terraform.

variable "create_provider" {
  description = "False where something else makes the OIDC provider, of which an account has one."
  type        = bool
  default     = true
}

variable "tags" {
  description = "More tags for the OIDC provider and the roles."
  type        = map(string)
  default     = {}
}

variable "permissions_boundary" {
  description = "ARN of the managed policy that is the roles' permissions boundary; null for none."
  type        = string
  default     = null
}

# Made by fly-aws export terraform.
#
# Access to AWS for apps of the Fly.io organization acme.
# It is for the AWS account 123456789012.
# What belongs under [env] in each fly.toml is the output fly_env.

locals {
  tags = {
    "fly-aws:org" = "acme"
  }

  roles = {
    web = {
      name        = "fly-acme-web"
      description = "Fly.io app web of the organization acme, through OIDC. Made by fly-aws."
      subjects    = ["acme:web:*"]
      tags = {
        "fly-aws:app" = "web"
      }
      policies = {
        AmazonS3ReadOnlyAccess = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
      }
    }
  }
}

data "aws_caller_identity" "current" {
  lifecycle {
    postcondition {
      condition     = self.account_id == "123456789012"
      error_message = "This configuration is for the AWS account 123456789012."
    }
  }
}

resource "aws_iam_openid_connect_provider" "fly" {
  count = var.create_provider ? 1 : 0

  url            = "https://oidc.fly.io/acme"
  client_id_list = ["sts.amazonaws.com"]
  tags           = merge(var.tags, local.tags)
}

locals {
  provider_arn = var.create_provider ? aws_iam_openid_connect_provider.fly[0].arn : "arn:aws:iam::123456789012:oidc-provider/oidc.fly.io/acme"
}

data "aws_iam_policy_document" "trust" {
  for_each = local.roles

  statement {
    sid     = "FlyAwsAcme"
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "oidc.fly.io/acme:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringLike"
      variable = "oidc.fly.io/acme:sub"
      values   = each.value.subjects
    }
  }
}

resource "aws_iam_role" "app" {
  for_each = local.roles

  name                 = each.value.name
  description          = each.value.description
  permissions_boundary = var.permissions_boundary
  assume_role_policy   = data.aws_iam_policy_document.trust[each.key].json
  tags                 = merge(var.tags, local.tags, each.value.tags)
}

resource "aws_iam_role_policy_attachment" "app" {
  for_each = merge([
    for key, role in local.roles : {
      for name, arn in role.policies : "${key}/${name}" => { role = key, arn = arn }
    }
  ]...)

  role       = aws_iam_role.app[each.value.role].name
  policy_arn = each.value.arn
}

# Made by fly-aws export terraform.

output "role_arns" {
  description = "The ARN of each role."
  value       = { for key, role in aws_iam_role.app : key => role.arn }
}

output "fly_env" {
  description = "What belongs under [env] in each app's fly.toml."
  value = {
    web = {
      AWS_REGION   = "eu-central-1"
      AWS_ROLE_ARN = aws_iam_role.app["web"].arn
    }
  }
}
