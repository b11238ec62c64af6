using DataLayer.Core.Errors;
using DataLayer.Metadata.Commit;

namespace DataLayer.Metadata;

/// <content>Headrooms: what is reserved for whom, and when.</content>
public sealed partial class TreeStore
{
    /// <summary>Adds a headroom: gives it a number, a version and the time.</summary>
    /// <param name="headroom">The headroom.</param>
    /// <param name="key">Makes asking twice add one; or null.</param>
    /// <param name="limit">How many there may be, a count.</param>
    /// <param name="cancellationToken">Gives up while the change waits.</param>
    /// <returns>The headroom and whether it is new.</returns>
    /// <exception cref="DataLayerException">AlreadyExists: its name, or the key led to something else. Overloaded: too
    /// many.</exception>
    public ValueTask<(HeadroomRecord Headroom, bool IsNew)> AddHeadroomAsync(
        HeadroomRecord headroom, IdempotencyKey? key, int limit, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(headroom);
        CheckLimit(limit);
        return ChangeAsync(w => AddHeadroom(w, headroom, key, limit), cancellationToken);
    }

    /// <summary>Writes a headroom back under the next version, if the one given is still the stored one.</summary>
    /// <returns>As it is stored now; null where it is gone or was changed meanwhile.</returns>
    /// <exception cref="DataLayerException">AlreadyExists: another has its name.</exception>
    public ValueTask<HeadroomRecord?> SaveHeadroomAsync(HeadroomRecord headroom, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(headroom);
        return ChangeAsync(
            w =>
            {
                List<HeadroomRecord> all = w.Tables.Headrooms.List();
                if (all.Find(h => h.Id == headroom.Id)?.Version != headroom.Version)
                {
                    return null;
                }

                DemandName(all, headroom);
                HeadroomRecord saved = headroom with { Version = headroom.Version + 1 };
                w.Tables.Headrooms.Save(saved);
                return saved;
            },
            cancellationToken);
    }

    /// <summary>All headrooms by number.</summary>
    public ValueTask<IReadOnlyList<HeadroomRecord>> ListHeadroomsAsync(CancellationToken cancellationToken) =>
        _reads.RunAsync<IReadOnlyList<HeadroomRecord>>(static t => t.Headrooms.List(), cancellationToken);

    /// <summary>Removes a headroom; false where there is none.</summary>
    public ValueTask<bool> RemoveHeadroomAsync(long id, CancellationToken cancellationToken) =>
        ChangeAsync(w => w.Tables.Headrooms.Remove(id), cancellationToken);

    private static (HeadroomRecord Headroom, bool IsNew) AddHeadroom(
        TreeWriter w, HeadroomRecord headroom, IdempotencyKey? key, int limit)
    {
        List<HeadroomRecord> all = w.Tables.Headrooms.List();
        if (FindMade(w, headroom.Owner, "headroom:", key) is { } made && all.Find(h => h.Id == made) is { } known)
        {
            return (known, false);
        }

        if (all.Count >= limit)
        {
            throw new DataLayerException(
                ErrorCode.Overloaded, $"There are {all.Count} headrooms, the most there may be: remove some.");
        }

        DemandName(all, headroom);
        HeadroomRecord added = headroom with
        {
            Id = w.Tables.Reserve("headroom", 1),
            Version = 1,
            CreatedTime = w.Now,
        };
        w.Tables.Headrooms.Save(added);
        Keep(w, headroom.Owner, "headroom:", key, added.Id);
        return (added, true);
    }

    private static void DemandName(List<HeadroomRecord> all, HeadroomRecord headroom)
    {
        if (all.Exists(h => h.Name == headroom.Name && h.Id != headroom.Id))
        {
            throw new DataLayerException(
                ErrorCode.AlreadyExists,
                $"There is a headroom '{headroom.Name}' already: give another name, or change that one.");
        }
    }
}
