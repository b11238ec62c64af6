using System.Globalization;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Policies;
using DataLayer.Metadata;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Http;

/// <summary>Versions of the tiering policy: set, read, activate, check, explain, compare.</summary>
internal sealed class PolicyEndpoints(NodeHost node, PolicySubject subject)
{
    private const int DefaultPage = 100;
    private const int MaxPage = 1000;

    /// <summary>A document of 8 MiB with each character escaped still fits.</summary>
    public const int MaxBodyBytes = 32 << 20;

    private static readonly ApiParameter _version = new(
        "version", ApiParameterPlace.Path, "string", "The version's number, or 'active'.", Required: true);

    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations() => [.. Versions(), .. Questions()];

    private IEnumerable<ApiOperation> Versions()
    {
        const string Route = ApiRoutes.Policies;
        yield return new ApiOperation("GET", Route, "listPolicies", "Versions of the policy, newest first.", ListAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "policies",
            Answer = typeof(PolicyPage),
            Parameters =
            [
                new("before", ApiParameterPlace.Query, "integer", "Only versions below this number."),
                new("limit", ApiParameterPlace.Query, "integer", "At most so many, 1 to 1,000; default 100."),
            ],
        };
        yield return new ApiOperation(
            "POST", Route, "setPolicy",
            "Adds a version of the policy and activates it; with any error nothing changes, and all are answered.",
            SetAsync)
        {
            Tag = "policies",
            Body = typeof(SetPolicyCommand),
            Answer = typeof(PolicyStatus),
            Statuses = [201],
        };
        yield return new ApiOperation(
            "GET", Route + "/{version}", "getPolicy", "A version of the policy with its text.", GetAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "policies",
            Answer = typeof(PolicyStatus),
            Parameters = [_version],
        };
        yield return new ApiOperation(
            "POST", Route + "/activate", "activatePolicy",
            "Makes a version the active one, an older one too; version 0 leaves none active.", ActivateAsync)
        {
            Tag = "policies",
            Body = typeof(ActivatePolicyCommand),
            Statuses = [204],
        };
    }

    private IEnumerable<ApiOperation> Questions()
    {
        const string Route = ApiRoutes.Policies;
        yield return new ApiOperation(
            "GET", Route + "/schema", "policySchema", "The policy language as a JSON Schema.", SchemaAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "policies",
            Answer = typeof(object),
            AnswerMedia = "application/schema+json",
        };
        yield return new ApiOperation(
            "POST", Route + "/check", "checkPolicy", "Everything that is wrong with a document, at once.", CheckAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "policies",
            Body = typeof(CheckPolicyCommand),
            Answer = typeof(PolicyCheckReport),
        };
        yield return new ApiOperation(
            "POST", Route + "/explain", "explainPolicy",
            "Which rule decides about a file, and why each one before it does not.", ExplainAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "policies",
            Body = typeof(ExplainPolicyCommand),
            Answer = typeof(PolicyExplanationReport),
        };
        yield return new ApiOperation(
            "GET", Route + "/diff", "diffPolicies", "What differs between two versions.", DiffAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "policies",
            Answer = typeof(PolicyDifferences),
            Parameters =
            [
                new("before", ApiParameterPlace.Query, "string", "A version, or 'active'.", Required: true),
                new("after", ApiParameterPlace.Query, "string", "A version, or 'active'.", Required: true),
            ],
        };
    }

    private async Task ListAsync(HttpContext context)
    {
        int limit = RequestTarget.Count(context, "limit", DefaultPage, 1, MaxPage);
        int before = RequestTarget.Count(context, "before", int.MaxValue, 1, int.MaxValue);
        IReadOnlyList<PolicyVersion> versions = await node.Open.Policies.ListAsync(
            before, limit, context.RequestAborted);
        PolicyPage page = new()
        {
            Versions = [.. versions.Select(v => PolicyWire.ToStatus(v, withText: false))],
            Next = versions.Count == limit ? versions[^1].Version : null,
        };
        await ApiJson.WriteAsync(context, page, ProtocolJson.Default.PolicyPage);
    }

    private async Task SetAsync(HttpContext context)
    {
        SetPolicyCommand command = await ApiJson.ReadAsync(
            context, ProtocolJson.Default.SetPolicyCommand, MaxBodyBytes);
        PolicySetResult result = await node.Open.Policies.SetAsync(
            command.Text, RequestCaller.Of(context).Name, command.Comment ?? string.Empty, command.Activate ?? true,
            command.IfActive, context.RequestAborted);
        if (result.Version is null)
        {
            await RefuseAsync(context, result.Parsed);
            return;
        }

        PolicyStatus status = PolicyWire.ToStatus(result.Version, withText: false) with
        {
            Warnings = PolicyWire.ToFaults(result.Parsed.Warnings),
        };
        context.Response.Headers.Location = string.Create(
            CultureInfo.InvariantCulture, $"{ApiRoutes.Policies}/{status.Version}");
        await ApiJson.WriteAsync(context, status, ProtocolJson.Default.PolicyStatus, StatusCodes.Status201Created);
    }

    private async Task GetAsync(HttpContext context)
    {
        string text = (string?)context.Request.RouteValues["version"] ?? string.Empty;
        PolicyVersion version = await FindAsync(text, context.RequestAborted);

        // The hash does not see comments, so the number is in the tag as well; being active is a part of the answer.
        string tag = string.Create(
            CultureInfo.InvariantCulture,
            $"\"{version.Version}-{version.ActivatedNanoseconds}-{(version.IsActive ? 1 : 0)}\"");
        context.Response.Headers.ETag = tag;
        if (context.Request.Headers.IfNoneMatch.ToString() == tag)
        {
            context.Response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        await ApiJson.WriteAsync(
            context, PolicyWire.ToStatus(version, withText: true), ProtocolJson.Default.PolicyStatus);
    }

    private async Task ActivateAsync(HttpContext context)
    {
        ActivatePolicyCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.ActivatePolicyCommand);
        if (command.Version < 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"version is {command.Version}: give a version's number, or 0 for none.");
        }

        await node.Open.Policies.ActivateAsync(command.Version, command.IfActive, context.RequestAborted);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private static Task SchemaAsync(HttpContext context)
    {
        byte[] body = Encoding.UTF8.GetBytes(PolicySchema.Make().ToJsonString());
        context.Response.ContentType = "application/schema+json";
        context.Response.ContentLength = body.Length;
        return context.Response.Body.WriteAsync(body, 0, body.Length, context.RequestAborted);
    }

    private static async Task CheckAsync(HttpContext context)
    {
        CheckPolicyCommand command = await ApiJson.ReadAsync(
            context, ProtocolJson.Default.CheckPolicyCommand, MaxBodyBytes);
        PolicyCheckReport report = PolicyWire.ToReport(PolicyDocument.Parse(command.Text));
        await ApiJson.WriteAsync(context, report, ProtocolJson.Default.PolicyCheckReport);
    }

    private async Task ExplainAsync(HttpContext context)
    {
        ExplainPolicyCommand command = await ApiJson.ReadAsync(
            context, ProtocolJson.Default.ExplainPolicyCommand, MaxBodyBytes);
        RequestCaller.DemandPath(context, command.Path);
        long? number = null;
        CompiledPolicy policy;
        if (command.Text is not null)
        {
            PolicyParseResult parsed = PolicyDocument.Parse(command.Text);
            if (parsed.Policy is null)
            {
                await RefuseAsync(context, parsed);
                return;
            }

            policy = parsed.Policy.Compile();
        }
        else if (command.Version is { } asked)
        {
            number = asked;
            policy = PolicyVersions.Read(await node.Open.Policies.GetVersionAsync(asked, context.RequestAborted))
                .Compile();
        }
        else
        {
            ActivePolicy active = await node.Open.Policies.GetActiveAsync(context.RequestAborted) ?? throw NoneActive();
            (number, policy) = (active.Version, active.Policy);
        }

        (FileFacts facts, PolicyMoment moment) = await subject.FindAsync(policy, command, context.RequestAborted);
        await ApiJson.WriteAsync(
            context, PolicyWire.ToReport(facts.Path, number, policy.Explain(facts, moment)),
            ProtocolJson.Default.PolicyExplanationReport);
    }

    private async Task DiffAsync(HttpContext context)
    {
        PolicyVersion before = await FindAsync(RequestTarget.RequiredText(context, "before"), context.RequestAborted);
        PolicyVersion after = await FindAsync(RequestTarget.RequiredText(context, "after"), context.RequestAborted);
        PolicyDifferences differences = PolicyWire.ToReport(
            PolicyDiff.Between(PolicyVersions.Read(before), PolicyVersions.Read(after)));
        await ApiJson.WriteAsync(context, differences, ProtocolJson.Default.PolicyDifferences);
    }

    private async Task<PolicyVersion> FindAsync(string text, CancellationToken cancellationToken)
    {
        if (text == "active")
        {
            return await node.Open.Policies.GetActiveVersionAsync(cancellationToken) ?? throw NoneActive();
        }

        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            ? await node.Open.Policies.GetVersionAsync(number, cancellationToken)
            : throw new DataLayerException(
                ErrorCode.InvalidArgument, $"'{text}' is no version: give its number, or 'active'.");
    }

    private static Task RefuseAsync(HttpContext context, PolicyParseResult parsed)
    {
        Problem problem = ProblemWriter.Describe(
            ErrorCode.InvalidArgument,
            $"The policy has {parsed.Errors.Count} errors, and nothing was changed:\n"
                + PolicyVersions.Describe(parsed.Errors),
            instance: context.Request.Path.Value);
        return ProblemWriter.WriteAsync(context, problem with { Errors = PolicyWire.ToFaults(parsed.Errors) });
    }

    private static DataLayerException NoneActive() =>
        new(ErrorCode.NotFound, "No policy is active: set one with 'datalayer policy apply FILE'.");
}
