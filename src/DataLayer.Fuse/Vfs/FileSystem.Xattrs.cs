using System.Globalization;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Metadata;

namespace DataLayer.Fuse.Vfs;

/// <content>
/// Extended attributes: those of the tree, and <c>user.datalayer.*</c>, which say where a file's content stands.
/// </content>
internal sealed partial class FileSystem
{
    private const string OwnPrefix = "user.datalayer.";
    private const string Tier = OwnPrefix + "tier";
    private const string Object = OwnPrefix + "object";
    private const string Heat = OwnPrefix + "heat";
    private const string Pin = OwnPrefix + "pin";
    private static readonly string[] _namespaces = ["user.", "trusted.", "security."];

    /// <summary>An extended attribute's value; null if it is not there.</summary>
    internal async ValueTask<byte[]?> GetXattrAsync(ulong node, string name, CancellationToken cancellationToken)
    {
        if (name.StartsWith(OwnPrefix, StringComparison.Ordinal) && name != Pin)
        {
            string? text = await DescribeAsync(node, name, cancellationToken).ConfigureAwait(false);
            return text is null ? null : Encoding.UTF8.GetBytes(text);
        }

        CheckNamespace(name);
        InodeId inode = InodeOf(node);
        if (Table.HasNoXattrs(inode))
        {
            return null; // The kernel asks for file capabilities at the first write to each file.
        }

        long changes = ChangeCount;
        IReadOnlyList<string> names = await _nodes.ListXattrsAsync(inode, cancellationToken).ConfigureAwait(false);
        if (names.Count == 0)
        {
            Table.SetHasNoXattrs(inode, true);
            if (changes != ChangeCount)
            {
                Table.SetHasNoXattrs(inode, false); // One may have been set since.
            }

            return null;
        }

        return await _nodes.GetXattrAsync(inode, name, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Names of the extended attributes. Ours are not listed: tools that copy attributes would copy them.
    /// </summary>
    internal async ValueTask<IReadOnlyList<string>> ListXattrsAsync(ulong node, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> names = await _nodes.ListXattrsAsync(InodeOf(node), cancellationToken)
            .ConfigureAwait(false);
        List<string> shown = new(names.Count);
        foreach (string name in names)
        {
            if (name != ExchangeMark)
            {
                shown.Add(name);
            }
        }

        return shown;
    }

    /// <summary>Sets an extended attribute.</summary>
    internal async ValueTask SetXattrAsync(
        ulong node, string name, ReadOnlyMemory<byte> value, XattrCondition condition, Caller caller,
        CancellationToken cancellationToken)
    {
        CheckWritable();
        if (name.StartsWith(OwnPrefix, StringComparison.Ordinal))
        {
            CheckPin(name, value.Span);
        }
        else
        {
            CheckNamespace(name);
        }

        try
        {
            Table.SetHasNoXattrs(InodeOf(node), false);
            await _nodes.SetXattrAsync(InodeOf(node), name, value, condition, cancellationToken).ConfigureAwait(false);
            NoteChange();
            Table.SetHasNoXattrs(InodeOf(node), false);
        }
        catch (DataLayerException error) when (caller.IsResent && error.Code == ErrorCode.AlreadyExists)
        {
            // Done before.
        }
    }

    /// <summary>Removes an extended attribute; false if it is not there.</summary>
    internal async ValueTask<bool> RemoveXattrAsync(
        ulong node, string name, Caller caller, CancellationToken cancellationToken)
    {
        CheckWritable();
        if (name.StartsWith(OwnPrefix, StringComparison.Ordinal) && name != Pin)
        {
            throw new DataLayerException(ErrorCode.NotSupported, $"'{name}' is read only.");
        }

        CheckNamespace(name);
        try
        {
            await _nodes.RemoveXattrAsync(InodeOf(node), name, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (DataLayerException error) when (error.Code == ErrorCode.NotFound)
        {
            return caller.IsResent;
        }
    }

    private static void CheckNamespace(string name)
    {
        foreach (string prefix in _namespaces)
        {
            // Labels are a policy's, not ours; 'ls' asks once for all files of a mount that says so.
            if (name is not ("security.selinux" or ExchangeMark) && name.StartsWith(prefix, StringComparison.Ordinal))
            {
                if (name.Length == prefix.Length)
                {
                    throw new DataLayerException(ErrorCode.InvalidArgument, $"'{name}' lacks a name after the dot.");
                }

                return;
            }
        }

        throw new DataLayerException(
            ErrorCode.NotSupported,
            $"Extended attributes like '{name}' are not kept: use user., trusted. or security.");
    }

    private static void CheckPin(string name, ReadOnlySpan<byte> value)
    {
        if (name != Pin)
        {
            throw new DataLayerException(ErrorCode.NotSupported, $"'{name}' is read only.");
        }

        if (!value.SequenceEqual("0"u8) && !value.SequenceEqual("1"u8))
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, $"'{name}' is 0 or 1.");
        }
    }

    private async ValueTask<string?> DescribeAsync(ulong node, string name, CancellationToken cancellationToken)
    {
        FileDescription? described = await _engine.DescribeAsync(InodeOf(node), cancellationToken)
            .ConfigureAwait(false);
        return described is null ? null : name switch
        {
            Tier => described.Attributes.Kind == FileKind.Regular ? TierOf(described) : null,
            Object => described.Object is { } held ? $"{described.ObjectStore}#{held.Key}" : null,
            Heat => described.Heat.ToString("F3", CultureInfo.InvariantCulture),
            _ => null,
        };
    }

    private static string TierOf(FileDescription described) => string.Create(
        CultureInfo.InvariantCulture,
        $"{described.Attributes.State.ToString().ToLowerInvariant()} hot={described.HotBlocks}/{described.BlockCount} "
        + $"memory={described.MemoryBlocks}/{described.BlockCount}");
}
