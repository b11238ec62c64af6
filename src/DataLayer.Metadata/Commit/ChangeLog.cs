using System.Buffers;
using System.Buffers.Binary;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Metadata.Nodes;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Commit;

/// <summary>
/// What a transaction touched, in the bytes that other nodes read (docs/FORMATS/metadata.md). Told by the tables, only
/// where the tree lies in PostgreSQL. What an undone change left here is one needless invalidation.
/// </summary>
internal sealed class ChangeLog
{
    /// <summary>How many transactions back the rows are kept.</summary>
    public const long RetainedTransactions = 65_536;

    private const int LimitBytes = 64 << 10;
    private const int HeadBytes = 9;
    private const byte Everything = 0;
    private readonly ArrayBufferWriter<byte> _bytes = new(1024);
    private bool _isAll;

    /// <summary>Whether nothing was touched.</summary>
    public bool IsEmpty => _bytes.WrittenCount == 0 && !_isAll;

    /// <summary>An inode's row was written; what it was is still in it.</summary>
    public void Saved(InodeRow row)
    {
        (uint generation, long version) = row.StoredContent;
        bool isContent = generation != row.Generation || version != row.Version
            || row.Stored.SizeBytes != row.SizeBytes;
        Span<byte> rest = stackalloc byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(rest, generation);
        BinaryPrimitives.WriteUInt32LittleEndian(
            rest[4..], BlockLayout.BlockCount(Math.Max(row.Stored.SizeBytes, row.SizeBytes)));
        Write(
            isContent ? TreeChangeKind.Content : TreeChangeKind.Attributes, row.Inode,
            isContent ? rest : rest[..4]);
        row.StoredContent = (row.Generation, row.Version);
    }

    /// <summary>An inode's row was removed.</summary>
    public void Removed(InodeRow row)
    {
        Span<byte> rest = stackalloc byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(rest, row.StoredContent.Generation);
        BinaryPrimitives.WriteUInt32LittleEndian(rest[4..], BlockLayout.BlockCount(row.Stored.SizeBytes));
        Write(TreeChangeKind.Content, row.Inode, rest);
    }

    /// <summary>A name came, went, or leads elsewhere.</summary>
    public void Named(InodeId folder, byte[] name)
    {
        Span<byte> rest = stackalloc byte[2 + byte.MaxValue];
        BinaryPrimitives.WriteUInt16LittleEndian(rest, (ushort)name.Length);
        name.CopyTo(rest[2..]);
        Write(TreeChangeKind.Name, folder, rest[..(2 + name.Length)]);
    }

    /// <summary>Extended attributes of an inode changed.</summary>
    public void Attributed(InodeId inode) => Write(TreeChangeKind.Attributes, inode, stackalloc byte[4]);

    /// <summary>Attachments changed.</summary>
    public void Attached() => Write(TreeChangeKind.Attachments, InodeId.None, []);

    /// <summary>Forgets all, for the next transaction.</summary>
    public void Clear()
    {
        _bytes.ResetWrittenCount();
        _isAll = false;
    }

    /// <summary>The bytes.</summary>
    public byte[] ToBytes() => _isAll ? [Everything] : _bytes.WrittenSpan.ToArray();

    /// <summary>Adds what the bytes say to a list; false where anything may have changed.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, List<TreeChange> changes)
    {
        while (bytes.Length > 0)
        {
            if (bytes.Length < HeadBytes)
            {
                return false;
            }

            TreeChangeKind kind = (TreeChangeKind)bytes[0];
            InodeId inode = new(BinaryPrimitives.ReadInt64LittleEndian(bytes[1..]));
            ReadOnlySpan<byte> rest = bytes[HeadBytes..];
            int length = kind switch
            {
                TreeChangeKind.Attributes => 4,
                TreeChangeKind.Content => 8,
                TreeChangeKind.Name when rest.Length >= 2 => 2 + BinaryPrimitives.ReadUInt16LittleEndian(rest),
                TreeChangeKind.Attachments => 0,
                _ => int.MaxValue,
            };
            if (rest.Length < length)
            {
                return false; // Of a newer program, or damaged: then too much is forgotten, never too little.
            }

            changes.Add(new TreeChange(
                kind, inode,
                kind is TreeChangeKind.Attributes or TreeChangeKind.Content
                    ? BinaryPrimitives.ReadUInt32LittleEndian(rest) : 0,
                kind == TreeChangeKind.Content ? BinaryPrimitives.ReadUInt32LittleEndian(rest[4..]) : 0,
                kind == TreeChangeKind.Name ? TreeName.Decode(rest[2..length].ToArray()) : null));
            bytes = rest[length..];
        }

        return true;
    }

    private void Write(TreeChangeKind kind, InodeId inode, ReadOnlySpan<byte> rest)
    {
        if (_isAll || _bytes.WrittenCount + HeadBytes + rest.Length > LimitBytes)
        {
            _isAll = true; // Thousands of names: the others forget all they know sooner than read that.
            return;
        }

        Span<byte> entry = _bytes.GetSpan(HeadBytes + rest.Length);
        entry[0] = (byte)kind;
        BinaryPrimitives.WriteInt64LittleEndian(entry[1..], inode.Value);
        rest.CopyTo(entry[HeadBytes..]);
        _bytes.Advance(HeadBytes + rest.Length);
    }
}
