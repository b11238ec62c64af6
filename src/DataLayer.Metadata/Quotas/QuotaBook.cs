using DataLayer.Core.Identity;
using DataLayer.Metadata.Rows;

namespace DataLayer.Metadata.Quotas;

/// <summary>
/// All quotas in memory: what is committed to the tree, and beside it what was written and is not flushed yet, which
/// the tree does not know. So a write is refused when it is made and not when it is flushed.
/// </summary>
/// <remarks>
/// <para>Use of a quota = lengths committed + for each unflushed content (length as written − length committed) +
/// what changes that run now add. A commit moves a content's length from the second term to the first in one step,
/// under the lock, so the sum is exact at any moment: a quota is never exceeded and never refuses what fits.</para>
/// <para>One lock, a leaf, held for a walk up the quotas that lie in each other. Without any quota nothing is kept and
/// no lock is taken. After a restart the unflushed contents are claimed again by who brings them in.</para>
/// </remarks>
public sealed class QuotaBook
{
    private readonly Lock _sync = new();
    private readonly Dictionary<long, Account> _accounts = [];
    private readonly Dictionary<InodeId, Unflushed> _claims = [];
    private volatile bool _isEmpty = true;

    /// <summary>Whether there is no quota at all.</summary>
    public bool IsEmpty => _isEmpty;

    /// <summary>What a quota allows, and those it lies in; null for a folder without one.</summary>
    /// <param name="folder">The folder that has the quota, as <c>InodeAttributes.QuotaFolder</c> names it.</param>
    public QuotaSpace? Find(long folder)
    {
        if (_isEmpty || folder == 0)
        {
            return null;
        }

        lock (_sync)
        {
            QuotaSpace? tightest = null;
            for (Account? at = FindLocked(folder); at is not null; at = FindLocked(at.Parent))
            {
                QuotaSpace space = at.ToSpace();
                tightest = tightest is { } known ? Tighter(known, space) : space;
            }

            return tightest is { LimitBytes: 0, LimitInodes: 0 } ? null : tightest;
        }
    }

    /// <summary>Whether a folder's quota lies in another's.</summary>
    public bool LiesIn(long folder, long outer)
    {
        if (_isEmpty)
        {
            return false;
        }

        lock (_sync)
        {
            for (Account? at = FindLocked(folder); at is not null; at = FindLocked(at.Parent))
            {
                if (at.Parent == outer)
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>The folder of the quota that a folder's quota lies in; 0 for none.</summary>
    public long ParentOf(long folder)
    {
        lock (_sync)
        {
            return FindLocked(folder)?.Parent ?? 0;
        }
    }

    /// <summary>What a folder's own quota allows, whatever it lies in; null for a folder without one.</summary>
    public QuotaSpace? OwnSpaceOf(long folder)
    {
        lock (_sync)
        {
            return FindLocked(folder)?.ToSpace();
        }
    }

    /// <summary>The folders that have quotas.</summary>
    public IReadOnlyList<long> Folders()
    {
        lock (_sync)
        {
            return [.. _accounts.Keys];
        }
    }

    /// <summary>
    /// Claims a length for an unflushed content, in its quota and all that it lies in. Shrinking is never refused.
    /// </summary>
    /// <param name="content">The content.</param>
    /// <param name="folder">The quota it counts in; 0 for none yet: the file may be moved into one.</param>
    /// <param name="sizeBytes">The length it gets.</param>
    /// <param name="committedBytes">The length the tree has.</param>
    /// <param name="force">Claim it even where it does not fit: it is written already.</param>
    /// <returns>0, or the folder whose quota has no room for it; then nothing changed.</returns>
    public long Claim(ContentId content, long folder, long sizeBytes, long committedBytes, bool force)
    {
        if (_isEmpty)
        {
            return 0;
        }

        lock (_sync)
        {
            bool isKnown = _claims.TryGetValue(content.Inode, out Unflushed claim);
            if (isKnown && claim.Generation > content.Generation)
            {
                return 0; // The file has another content by now; this one is nobody's.
            }

            if (!isKnown || claim.IsVoid || claim.Generation != content.Generation)
            {
                DropLocked(content.Inode, isKnown, claim);
                claim = new Unflushed(content.Generation, folder, committedBytes, committedBytes, IsVoid: false);
            }

            long more = sizeBytes - claim.SizeBytes;
            if (more > 0 && !force && FindFullLocked(claim.Folder, more, 0) is var full && full != 0)
            {
                return full;
            }

            AddPendingLocked(claim.Folder, more);
            _claims[content.Inode] = claim with { SizeBytes = sizeBytes };
            return 0;
        }
    }

    /// <summary>A content is flushed or given up: what the tree says counts.</summary>
    public void Settle(ContentId content)
    {
        if (_isEmpty)
        {
            return;
        }

        lock (_sync)
        {
            if (_claims.TryGetValue(content.Inode, out Unflushed claim) && claim.Generation == content.Generation)
            {
                DropLocked(content.Inode, isKnown: true, claim);
            }
        }
    }

    /// <summary>
    /// How much longer an inode is than the tree says, before a change of it is committed and after, bytes.
    /// </summary>
    internal (long Before, long After) PendingOf(in QuotaMove move)
    {
        lock (_sync)
        {
            if (!_claims.TryGetValue(move.Content.Inode, out Unflushed claim))
            {
                return (0, 0);
            }

            bool stays = !move.IsGone && !claim.IsVoid && claim.Generation == move.Content.Generation;
            return (claim.PendingBytes, stays ? claim.SizeBytes - move.SizeBytes : 0);
        }
    }

    /// <summary>How much longer all that counts in a quota is than the tree says, bytes.</summary>
    internal long PendingOf(long folder)
    {
        lock (_sync)
        {
            return FindLocked(folder)?.PendingBytes ?? 0;
        }
    }

    /// <summary>Holds room for a change that is about to be committed; false where there is none.</summary>
    internal bool TryHold(long folder, long bytes, long inodes)
    {
        lock (_sync)
        {
            if (FindLocked(folder) is not { } account)
            {
                return true; // Made by the same commit: it has no use but this yet.
            }

            if (!account.Fits(bytes, inodes))
            {
                return false;
            }

            account.HeldBytes += Math.Max(0, bytes);
            account.HeldInodes += Math.Max(0, inodes);
            return true;
        }
    }

    /// <summary>Gives back what <see cref="TryHold"/> took for a change that failed.</summary>
    internal void Release(long folder, long bytes, long inodes)
    {
        lock (_sync)
        {
            if (FindLocked(folder) is { } account)
            {
                account.HeldBytes -= Math.Max(0, bytes);
                account.HeldInodes -= Math.Max(0, inodes);
            }
        }
    }

    /// <summary>Takes over what was committed, and gives back all that was held for it.</summary>
    /// <param name="rows">The quotas as they are now.</param>
    /// <param name="changed">The folders of those that changed.</param>
    /// <param name="removed">The folders of quotas that are gone.</param>
    /// <param name="moves">What happened to inodes.</param>
    internal void Apply(
        Dictionary<long, QuotaRow> rows, IEnumerable<long> changed, IEnumerable<long> removed, List<QuotaMove> moves)
    {
        lock (_sync)
        {
            bool isReshaped = false;
            foreach (long folder in changed)
            {
                QuotaRow row = rows[folder];
                if (!_accounts.TryGetValue(row.Folder, out Account? account))
                {
                    _accounts.Add(row.Folder, account = new Account());
                    isReshaped = true;
                }

                isReshaped |= account.Parent != row.Parent;
                account.Take(row);
            }

            foreach (long folder in removed)
            {
                isReshaped |= _accounts.Remove(folder);
            }

            foreach (QuotaMove move in moves)
            {
                MoveLocked(move);
            }

            if (isReshaped)
            {
                CountPendingLocked();
            }

            _isEmpty = _accounts.Count == 0;
        }
    }

    private static QuotaSpace Tighter(QuotaSpace left, QuotaSpace right)
    {
        (QuotaSpace bytes, QuotaSpace inodes) = (
            right.FreeBytes < left.FreeBytes ? right : left, right.FreeInodes < left.FreeInodes ? right : left);
        return new QuotaSpace(bytes.LimitBytes, bytes.UsedBytes, inodes.LimitInodes, inodes.UsedInodes);
    }

    private Account? FindLocked(long folder) => folder == 0 ? null : _accounts.GetValueOrDefault(folder);

    private long FindFullLocked(long folder, long bytes, long inodes)
    {
        for (Account? at = FindLocked(folder); at is not null; at = FindLocked(at.Parent))
        {
            if (!at.Fits(bytes, inodes))
            {
                return at.Folder;
            }
        }

        return 0;
    }

    private void AddPendingLocked(long folder, long bytes)
    {
        for (Account? at = FindLocked(folder); at is not null; at = FindLocked(at.Parent))
        {
            at.PendingBytes += bytes;
        }
    }

    private void DropLocked(InodeId inode, bool isKnown, Unflushed claim)
    {
        if (isKnown)
        {
            AddPendingLocked(claim.Folder, -claim.PendingBytes);
            _claims.Remove(inode);
        }
    }

    private void MoveLocked(in QuotaMove move)
    {
        if (!_claims.TryGetValue(move.Content.Inode, out Unflushed claim))
        {
            return;
        }

        DropLocked(move.Content.Inode, isKnown: true, claim);
        if (!move.IsGone)
        {
            // Of a content that was replaced nothing counts, and later claims of who has it open must not: so the new
            // one's stands here, with nothing unflushed.
            claim = claim.Generation == move.Content.Generation
                ? claim with { Folder = move.To, CommittedBytes = move.SizeBytes }
                : new Unflushed(move.Content.Generation, move.To, 0, 0, IsVoid: true);
            _claims.Add(move.Content.Inode, claim);
            AddPendingLocked(claim.Folder, claim.PendingBytes);
        }
    }

    private void CountPendingLocked()
    {
        foreach (Account account in _accounts.Values)
        {
            account.PendingBytes = 0;
        }

        foreach (Unflushed claim in _claims.Values)
        {
            AddPendingLocked(claim.Folder, claim.PendingBytes);
        }
    }

    /// <summary>A void one stands for a content that has nothing unflushed, against claims of the one before.</summary>
    private readonly record struct Unflushed(
        uint Generation, long Folder, long SizeBytes, long CommittedBytes, bool IsVoid)
    {
        public long PendingBytes => IsVoid ? 0 : SizeBytes - CommittedBytes;
    }

    private sealed class Account
    {
        private long _limitBytes;
        private long _limitInodes;
        private long _usedBytes;
        private long _usedInodes;

        public long Folder { get; private set; }

        public long Parent { get; private set; }

        public long PendingBytes { get; set; }

        public long HeldBytes { get; set; }

        public long HeldInodes { get; set; }

        public void Take(QuotaRow row)
        {
            (Folder, Parent) = (row.Folder, row.Parent);
            (_limitBytes, _limitInodes) = (row.LimitBytes, row.LimitInodes);
            (_usedBytes, _usedInodes) = (row.UsedBytes, row.UsedInodes);
            (HeldBytes, HeldInodes) = (0, 0);
        }

        public bool Fits(long bytes, long inodes) =>
            (bytes <= 0 || _limitBytes == 0 || _usedBytes + PendingBytes + HeldBytes + bytes <= _limitBytes)
            && (inodes <= 0 || _limitInodes == 0 || _usedInodes + HeldInodes + inodes <= _limitInodes);

        public QuotaSpace ToSpace() =>
            new(_limitBytes, Math.Max(0, _usedBytes + PendingBytes), _limitInodes, _usedInodes);
    }
}
