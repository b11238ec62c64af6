namespace DataLayer.Server.Access;

/// <summary>
/// The caller of one request, and the paths it named, for checks inside handlers and for the audit log.
/// </summary>
internal sealed class RequestCaller(Caller caller)
{
    private List<string>? _paths;

    /// <summary>Who calls.</summary>
    public Caller Caller { get; } = caller;

    /// <summary>The paths of the tree that were checked, in order.</summary>
    public IReadOnlyList<string> Paths => _paths ?? [];

    /// <summary>Who calls; nobody where no caller was found out.</summary>
    public static Caller Of(HttpContext context) =>
        context.Features.Get<RequestCaller>()?.Caller ?? Caller.Unknown("The caller was not found out.");

    /// <summary>Checks a path that a request names in its body or query.</summary>
    /// <exception cref="Core.Errors.DataLayerException">InvalidArgument, NameTooLong; PermissionDenied.</exception>
    public static void DemandPath(HttpContext context, string path)
    {
        Of(context).DemandPath(path);
        context.Features.Get<RequestCaller>()?.Add(path);
    }

    private void Add(string path)
    {
        _paths ??= [];
        if (_paths.Count < 8)
        {
            _paths.Add(path);
        }
    }
}
