namespace DataLayer.Server.Access;

/// <summary>What a call of the API wants of its caller.</summary>
internal enum ApiAccess
{
    /// <summary>The role admin. The default: a call whose need nobody stated is for few.</summary>
    Administer,

    /// <summary>Nothing: probes.</summary>
    Anyone,

    /// <summary>Any token but a node's.</summary>
    Caller,

    /// <summary>Any token but a node's, for paths in its scope.</summary>
    Read,

    /// <summary>The roles tenant and admin, for paths in the token's scope.</summary>
    Write,

    /// <summary>The role admin, or reader without a scope: reports over all datasets.</summary>
    Observe,

    /// <summary>The roles node and admin.</summary>
    Peer,
}
