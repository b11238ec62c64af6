using DataLayer.Server.Access;

namespace DataLayer.Server.Http;

/// <summary>Where a parameter stands.</summary>
internal enum ApiParameterPlace
{
    /// <summary>In the path.</summary>
    Path,

    /// <summary>In the query.</summary>
    Query,

    /// <summary>In a header.</summary>
    Header,
}

/// <summary>One parameter of an operation.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Place">Where it stands.</param>
/// <param name="Type"><c>string</c>, <c>integer</c> or <c>boolean</c>.</param>
/// <param name="Summary">What it means.</param>
/// <param name="Required">Whether it must be there.</param>
internal sealed record ApiParameter(
    string Name, ApiParameterPlace Place, string Type, string Summary, bool Required = false);

/// <summary>
/// One method on one route: how it is served and how it is described. The routes, the OpenAPI document and its test
/// all come from the
/// list of these.
/// </summary>
/// <param name="Method">GET, PUT, …</param>
/// <param name="Pattern">The route; <c>{**path}</c> is a tree path.</param>
/// <param name="Id">A stable name.</param>
/// <param name="Summary">One sentence.</param>
/// <param name="Handler">Serves it.</param>
internal sealed record ApiOperation(string Method, string Pattern, string Id, string Summary, RequestDelegate Handler)
{
    private readonly bool? _isAudited;

    /// <summary>What it wants of its caller.</summary>
    public ApiAccess Access { get; init; }

    /// <summary>
    /// Whether each call leaves a line in the audit log. Default: what changes something and is for admins.
    /// </summary>
    public bool IsAudited
    {
        get => _isAudited ?? (Access == ApiAccess.Administer && Method is not ("GET" or "HEAD"));
        init => _isAudited = value;
    }

    /// <summary>The group it is shown in.</summary>
    public string Tag { get; init; } = "tree";

    /// <summary>Its parameters besides the tree path.</summary>
    public IReadOnlyList<ApiParameter> Parameters { get; init; } = [];

    /// <summary>The JSON body's type, or null.</summary>
    public Type? Body { get; init; }

    /// <summary>The media type of a body that is not JSON, or null.</summary>
    public string? BodyMedia { get; init; }

    /// <summary>The answer's type, or null for no body.</summary>
    public Type? Answer { get; init; }

    /// <summary>The answer's media type.</summary>
    public string AnswerMedia { get; init; } = "application/json";

    /// <summary>The statuses of success, the first with the answer's body.</summary>
    public IReadOnlyList<int> Statuses { get; init; } = [200];

    /// <summary>The route as OpenAPI writes it.</summary>
    public string OpenApiPath => Pattern.Replace("{**path}", "{path}", StringComparison.Ordinal);
}
