using System.Globalization;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Metadata;

namespace DataLayer.Engine.Tiering.Policies;

/// <summary>A version of the policy in the form that decides.</summary>
/// <param name="Version">Its number.</param>
/// <param name="Policy">It, compiled.</param>
public sealed record ActivePolicy(long Version, CompiledPolicy Policy);

/// <summary>What setting a policy did.</summary>
/// <param name="Version">The version; null where the document has errors, and nothing changed.</param>
/// <param name="Parsed">What reading it gave: errors, warnings.</param>
public sealed record PolicySetResult(PolicyVersion? Version, PolicyParseResult Parsed);

/// <summary>
/// The policy of a tree through time: versions are added and activated, the active one decides. A document with errors
/// changes nothing. Safe for concurrent use; the compiled form of the active version is kept.
/// </summary>
public sealed class PolicyVersions
{
    private const int MaxComment = 1000;
    private const int MaxAuthor = 200;
    private readonly TreeStore _tree;
    private ActivePolicy? _compiled;

    /// <summary>The versions that a tree keeps.</summary>
    public PolicyVersions(TreeStore tree)
    {
        ArgumentNullException.ThrowIfNull(tree);
        _tree = tree;
    }

    /// <summary>Reads a document and adds it as a version, active where asked.</summary>
    /// <param name="yaml">The document.</param>
    /// <param name="author">Who sets it, at most 200 characters.</param>
    /// <param name="comment">What the author says about it, at most 1,000 characters.</param>
    /// <param name="activate">Whether it decides from now on.</param>
    /// <param name="ifActive">The version that must be active now, 0 for none; null for any.</param>
    /// <param name="cancellationToken">Gives up while the change waits.</param>
    /// <exception cref="DataLayerException">Stale: another version is active. InvalidArgument: author or comment is
    /// too long.</exception>
    public async ValueTask<PolicySetResult> SetAsync(
        string yaml, string author, string comment, bool activate, long? ifActive, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(author);
        ArgumentNullException.ThrowIfNull(comment);
        if (author.Length > MaxAuthor || comment.Length > MaxComment)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"An author has at most {MaxAuthor} characters and a comment {MaxComment}: shorten them.");
        }

        PolicyParseResult parsed = PolicyDocument.Parse(yaml);
        if (parsed.Policy is null)
        {
            return new PolicySetResult(null, parsed);
        }

        CompiledPolicy compiled = parsed.Policy.Compile();
        PolicyVersion version = await _tree
            .AddPolicyAsync(new NewPolicy(yaml, compiled.Hash, author, comment), activate, ifActive, cancellationToken)
            .ConfigureAwait(false);
        if (version.IsActive)
        {
            Volatile.Write(ref _compiled, new ActivePolicy(version.Version, compiled));
        }

        return new PolicySetResult(version, parsed);
    }

    /// <summary>Makes a version the active one; 0 leaves none active, and nothing is moved by rule.</summary>
    /// <returns>The version; null for none.</returns>
    /// <exception cref="DataLayerException">NotFound; Stale: another version is active.</exception>
    public ValueTask<PolicyVersion?> ActivateAsync(
        long version, long? ifActive, CancellationToken cancellationToken) =>
        _tree.ActivatePolicyAsync(version, ifActive, cancellationToken);

    /// <summary>The active version with its text; null where none is.</summary>
    public ValueTask<PolicyVersion?> GetActiveVersionAsync(CancellationToken cancellationToken) =>
        _tree.GetActivePolicyAsync(cancellationToken);

    /// <summary>A version with its text.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public ValueTask<PolicyVersion> GetVersionAsync(long version, CancellationToken cancellationToken) =>
        _tree.GetPolicyAsync(version, cancellationToken);

    /// <summary>Versions below a number (null: from the newest on), newest first, without their texts.</summary>
    public ValueTask<IReadOnlyList<PolicyVersion>> ListAsync(
        long? before, int limit, CancellationToken cancellationToken) =>
        _tree.ListPoliciesAsync(before, limit, cancellationToken);

    /// <summary>The active version, compiled; null where none is active.</summary>
    /// <exception cref="DataLayerException">NotSupported: a newer program wrote it, and this one does not
    /// understand it.</exception>
    public async ValueTask<ActivePolicy?> GetActiveAsync(CancellationToken cancellationToken)
    {
        PolicyVersion? version = await _tree.GetActivePolicyAsync(cancellationToken).ConfigureAwait(false);
        if (version is null)
        {
            return null;
        }

        ActivePolicy? known = Volatile.Read(ref _compiled);
        if (known?.Version == version.Version)
        {
            return known;
        }

        ActivePolicy made = new(version.Version, Read(version).Compile());
        Volatile.Write(ref _compiled, made);
        return made;
    }

    /// <summary>Reads the text of a stored version.</summary>
    /// <exception cref="DataLayerException">NotSupported: this program does not understand it.</exception>
    public static PolicyDocument Read(PolicyVersion version)
    {
        ArgumentNullException.ThrowIfNull(version);
        PolicyParseResult parsed = PolicyDocument.Parse(version.Text);
        return parsed.Policy
            ?? throw new DataLayerException(
                ErrorCode.NotSupported,
                string.Create(CultureInfo.InvariantCulture, $"Version {version.Version} of the policy is not one that ")
                    + $"this program understands: {Describe(parsed.Errors)}");
    }

    /// <summary>Errors as text, one a line, the first twenty of them.</summary>
    public static string Describe(IReadOnlyList<PolicyError> errors)
    {
        ArgumentNullException.ThrowIfNull(errors);
        const int MaxShown = 20;
        StringBuilder text = new();
        for (int i = 0; i < errors.Count && i < MaxShown; i++)
        {
            text.Append(i > 0 ? "\n" : string.Empty).Append(errors[i]);
        }

        if (errors.Count > MaxShown)
        {
            text.Append(CultureInfo.InvariantCulture, $"\nand {errors.Count - MaxShown} more");
        }

        return text.ToString();
    }
}
