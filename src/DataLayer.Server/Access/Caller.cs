using DataLayer.Core.Errors;
using DataLayer.Core.Objects;
using DataLayer.Metadata;
using DataLayer.Protocol.Http;
using DataLayer.Storage.Objects;

namespace DataLayer.Server.Access;

/// <summary>Who a request comes from and what that allows. Immutable; one for all requests of a token.</summary>
internal sealed class Caller
{
    private Caller(
        string name, TokenRole? role, IReadOnlyList<string> scopes, string? refusal, AccessToken? token = null)
    {
        Name = name;
        Use = token is null ? null : new OriginUse(OriginPurpose.Foreground, Tenant: token.Name);
        Token = token;
        Role = role;
        Scopes = scopes;
        Confinement = scopes.Count == 0 ? null : new TreeScope(scopes);
        Refusal = refusal;
    }

    /// <summary>Whoever may use the Unix socket is the service's user, who owns all of it anyway.</summary>
    public static Caller OfSocket { get; } = new("the Unix socket", TokenRole.Admin, [], null);

    /// <summary>A process of this machine, where the configuration lets those in without a token.</summary>
    public static Caller OfLoopback { get; } = new("anonymous on loopback", TokenRole.Admin, [], null);

    /// <summary>Anybody, where the configuration says that the network is trusted.</summary>
    public static Caller OfAnywhere { get; } = new("anonymous", TokenRole.Admin, [], null);

    /// <summary>How logs name it; never with a secret.</summary>
    public string Name { get; }

    /// <summary>The token or certificate's entry that it comes by; null for callers without one.</summary>
    public AccessToken? Token { get; }

    /// <summary>Whom requests to the cold tier are billed to: the token's name; null for callers without one.</summary>
    public OriginUse? Use { get; }

    /// <summary>Why it is not known; null where it is.</summary>
    public string? Refusal { get; }

    /// <summary>Its role; null for a caller that is not known.</summary>
    public TokenRole? Role { get; }

    /// <summary>The folders it reaches; empty for all.</summary>
    public IReadOnlyList<string> Scopes { get; }

    /// <summary>The same for the engine, or null for all.</summary>
    public TreeScope? Confinement { get; }

    /// <summary>The holder of a token.</summary>
    public static Caller Of(AccessToken token) =>
        new($"token {token.Id} ({token.Name})", token.Role, token.Scopes, null, token);

    /// <summary>Somebody unknown, with the reason.</summary>
    public static Caller Unknown(string refusal) => new("nobody", null, [], refusal);

    /// <summary>Checks that the caller may make a call.</summary>
    /// <exception cref="DataLayerException">NotAuthenticated: it is not known. PermissionDenied: its role does not
    /// allow this.</exception>
    public void Demand(ApiAccess access)
    {
        if (access != ApiAccess.Anyone && Role is null)
        {
            throw new DataLayerException(ErrorCode.NotAuthenticated, Refusal ?? "The caller is not known.");
        }

        if (!Allows(access))
        {
            string wanted = access switch
            {
                ApiAccess.Write => "tenant or admin",
                ApiAccess.Observe => "admin, or reader without a scope",
                ApiAccess.Peer => "node or admin",
                ApiAccess.Caller or ApiAccess.Read => "reader, tenant or admin",
                _ => "admin",
            };
            throw new DataLayerException(
                ErrorCode.PermissionDenied,
                $"This call wants the role {wanted}; the caller ({Name}) is {TokenFile.RoleText(Role!.Value)}"
                + (Confinement is null ? "." : " with a scope."));
        }
    }

    /// <summary>Whether its role allows a kind of call; which paths it may name is another question.</summary>
    public bool Allows(ApiAccess access) => access switch
    {
        ApiAccess.Anyone => true,
        ApiAccess.Caller or ApiAccess.Read => Role is not null and not TokenRole.Node,
        ApiAccess.Write => Role is TokenRole.Tenant or TokenRole.Admin,
        ApiAccess.Observe => Role == TokenRole.Admin || (Role == TokenRole.Reader && Confinement is null),
        ApiAccess.Peer => Role is TokenRole.Node or TokenRole.Admin,
        _ => Role == TokenRole.Admin,
    };

    /// <summary>Whether a path, as it is written, is one the caller may name.</summary>
    public bool MayReach(string path) => Confinement?.Contains(path) ?? true;

    /// <summary>Checks the text of a path: well formed, and in the caller's scope.</summary>
    /// <exception cref="DataLayerException">InvalidArgument, NameTooLong; PermissionDenied.</exception>
    public void DemandPath(string path)
    {
        TreePath.Check(path);
        if (!MayReach(path))
        {
            throw new DataLayerException(
                ErrorCode.PermissionDenied,
                $"'{path}' is outside of what the caller ({Name}) may reach: {string.Join(", ", Scopes)}.");
        }
    }
}
