namespace DataLayer.Server.Access;

/// <summary>What the holder of a token may do; docs/API.md lists which call wants which.</summary>
internal enum TokenRole
{
    /// <summary>Read files, attributes and, where not confined to a scope, reports and metrics.</summary>
    Reader,

    /// <summary>Read and write below its scope, and run jobs there.</summary>
    Tenant,

    /// <summary>Everything.</summary>
    Admin,

    /// <summary>Ask for ranges of objects as another node, nothing else.</summary>
    Node,
}
